import { spawn } from '@lydell/node-pty';
import { docker, dockerHost } from '../support/engine';
import { dockerEnvironment } from '../support/docker-cli';
import { freshName } from '../support/containers';
import { eventually } from '../support/eventually';

describe('the stock docker CLI', () => {
  const names: string[] = [];
  const named = (what: string): string => {
    const name = freshName(what);
    names.push(name);
    return name;
  };
  afterAll(async () => {
    await docker(['rm', '-fv', ...names]);
  });

  it.each([
    [['run', '--rm', 'busybox', 'echo', 'hi'], 0, 'hi\n', ''],
    [['run', '--rm', 'busybox', 'sh', '-c', 'exit 7'], 7, '', ''],
    [['run', '--rm', '--memory', '1m', 'busybox', 'true'], 125, '', 'Minimum memory limit allowed is 6MB'],
    [['run', '--rm', 'busybox', '/etc'], 126, '', 'permission denied'],
    [['run', '--rm', 'busybox', 'nonesuchcmd'], 127, '', 'executable file not found in $PATH'],
    [['run', '--rm', '--init', 'busybox', 'sh', '-c', 'kill -9 $$'], 137, '', ''],
    [['run', '--rm', '--init', 'busybox', 'sh', '-c', 'kill -TERM $$'], 143, '', ''],
    [
      ['run', '--rm', '-e', 'A=b', '-w', '/made/up', 'busybox', 'sh', '-c', 'echo $A; pwd'],
      0,
      'b\n/made/up\n',
      '',
    ],
    [
      ['run', '--rm', '-u', 'bob', 'busybox', 'sh', '-c', 'id -u; id -g; id -G'],
      0,
      '1500\n1600\n1600 1700\n',
      '',
    ],
    [['run', '--rm', '-h', 'myhost', 'busybox', 'hostname'], 0, 'myhost\n', ''],
    [['run', '--rm', '--entrypoint', 'echo', 'busybox', 'a', 'b'], 0, 'a b\n', ''],
    [
      ['run', '--rm', '--privileged', 'busybox', 'sh', '-c', 'mount -t tmpfs t /tmp && echo mounted'],
      0,
      'mounted\n',
      '',
    ],
  ])('docker %j', async (args, code, stdout, stderr) => {
    const result = await docker(args);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout });
    expect(result.stderr).toContain(stderr);
  });

  it('reads standard input', async () => {
    expect(
      await docker(['run', '--rm', '-i', 'busybox', 'wc', '-c'], { input: Buffer.alloc(1_000_000) }),
    ).toMatchObject({
      code: 0,
      stdout: '1000000\n',
    });
  });

  it('follows a log while it is written', async () => {
    const name = named('follow');
    await docker([
      'run',
      '-d',
      '--name',
      name,
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3; do echo l$i; sleep .1; done',
    ]);
    expect((await docker(['logs', '-f', name])).stdout).toBe('l1\nl2\nl3\n');
  });

  it('gives run -it and exec -it a terminal of the right size', async () => {
    const name = named('tty');
    const run = terminal(['run', '-it', '--name', name, 'busybox', 'sh'], 31, 97);
    await run.says('# ');
    run.types('stty size; echo sum-$((40+2))\r');
    await run.says('31 97');
    await run.says('sum-42');
    const exec = terminal(['exec', '-it', name, 'sh', '-c', 'tty; exit 8'], 24, 80);
    expect(await exec.ended).toBe(8);
    expect(exec.output()).toContain('/dev/pts/');
    run.types('exit 5\r');
    expect(await run.ended).toBe(5);
  });

  it('leaves a terminal by the detach keys', async () => {
    const name = named('detach');
    const run = terminal(['run', '-it', '--name', name, 'busybox', 'sh'], 24, 80);
    await run.says('# ');
    run.types('\x10\x11');
    await run.ended;
    expect((await docker(['inspect', '-f', '{{.State.Running}}', name])).stdout).toBe('true\n');
  });

  it('stops with the signal that the container wants', async () => {
    const name = named('stop');
    await docker([
      'run',
      '-d',
      '--name',
      name,
      '--stop-signal',
      'USR1',
      'busybox',
      'sh',
      '-c',
      'trap "exit 6" USR1; echo up; while :; do sleep .05; done',
    ]);
    await eventually(async () => expect((await docker(['logs', name])).stdout).toBe('up\n'));
    await docker(['stop', name]);
    expect((await docker(['inspect', '-f', '{{.State.ExitCode}}', name])).stdout).toBe('6\n');
  });

  function terminal(args: string[], rows: number, cols: number) {
    let output = '';
    const pty = spawn('docker', args, {
      rows,
      cols,
      env: dockerEnvironment(dockerHost) as Record<string, string>,
    });
    pty.onData((data) => (output += data));
    const ended = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
    return {
      ended,
      output: () => output,
      types: (keys: string) => pty.write(keys),
      says: (text: string) => eventually(() => expect(output).toContain(text)),
    };
  }
});
