import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn as spawnTerminal } from '@lydell/node-pty';
import { itHas, outputOf, refusalOf, runScript } from '../support/cli-flags';
import { freshName } from '../support/containers';
import { dockerEnvironment } from '../support/docker-cli';
import { docker, dockerHost, instance } from '../support/engine';
import { eventually } from '../support/eventually';

/** Who the process is, what it starts with, and how the CLI stands to it. */
describe('process flags of docker run', () => {
  const directory = mkdtempSync(join(tmpdir(), 'process-'));
  const names: string[] = [];
  const images: string[] = [];
  afterAll(async () => {
    await docker(['rm', '-fv', ...names]);
    if (images.length > 0) await docker(['rmi', '-f', ...images]);
    rmSync(directory, { recursive: true });
  });
  const named = (): string => {
    const name = freshName('process');
    names.push(name);
    return name;
  };
  const inspected = async (name: string, format: string) =>
    (await docker(['inspect', '-f', format, name])).stdout.trim();
  const file = (name: string, content: string): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };

  itHas(['--user', '--group-add'], 'by name and by number', async () => {
    expect(await outputOf(['-u', 'bob', '--group-add', '77'], 'id -u; id -g; id -G')).toBe(
      '1500\n1600\n1600 77 1700\n',
    );
    expect(await outputOf(['-u', '1234:bobs', '--group-add', 'extra'], 'id -u; id -g; id -G')).toBe(
      '1234\n1600\n1600 1700\n',
    );
    const unknown = await refusalOf(['-u', 'nobodyhere']);
    expect(unknown).toContain('unable to find user nobodyhere');
    expect(unknown).not.toContain('Error waiting for container');
    expect(await refusalOf(['-u', '99999999999'])).toContain('uids and gids must be in range 0-2147483647');
    expect(await refusalOf(['--group-add', 'nogroup'])).toContain('nable to find group nogroup');
  });

  itHas(['--env', '--env-file', '--workdir', '--entrypoint'], 'as /proc/1 has them', async () => {
    const args = ['-e', 'A=one', '--env-file', file('env', 'B=two\n# nothing\nC=three\n'), '-w', '/made/up'];
    const { stdout } = await docker([
      'run',
      '--rm',
      ...args,
      '--entrypoint',
      '/bin/sh',
      'busybox',
      '-c',
      'tr "\\0" "\\n" </proc/1/environ; readlink /proc/1/cwd',
    ]);
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['A=one', 'B=two', 'C=three', '/made/up']));
  });

  itHas(['--init'], 'a parent that reaps', async () => {
    expect(await outputOf(['--init'], 'cat /proc/1/comm; cat /proc/$$/status | grep PPid')).toMatch(
      /^docker-init\nPPid:\t1\n$/,
    );
    expect(await outputOf([], 'cat /proc/1/comm; true')).toBe('sh\n');
  });

  itHas(['--interactive', '--tty', '--attach'], 'what is connected to what', async () => {
    const piped = await docker(['run', '--rm', '-i', 'busybox', 'cat'], { input: 'typed\n' });
    expect(piped.stdout).toBe('typed\n');
    expect(await outputOf(['-t'], 'tty')).toBe('/dev/pts/0\r\n');
    const half = await docker([
      'run',
      '--rm',
      '-a',
      'stdout',
      'busybox',
      'sh',
      '-c',
      'echo out; echo err >&2',
    ]);
    expect(half).toMatchObject({ stdout: 'out\n', stderr: '' });
  });

  itHas(['--detach', '--name', '--cidfile', '--rm'], 'the id that the kernel shows', async () => {
    const [name, cidfile] = [named(), join(directory, 'cid')];
    const { stdout } = await docker([
      'run',
      '-d',
      '--rm',
      '--name',
      name,
      '--cidfile',
      cidfile,
      'busybox',
      'sleep',
      '300',
    ]);
    const id = stdout.trim();
    expect(readFileSync(cidfile, 'utf8')).toBe(id);
    const pid = await inspected(name, '{{.State.Pid}}');
    expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain(id);
    await docker(['kill', name]);
    await eventually(async () => expect((await docker(['inspect', id])).code).toBe(1));
    expect(existsSync(join(instance.dataRoot, 'containers', id))).toBe(false);
  });

  itHas(['--detach-keys'], 'others than the usual ones', async () => {
    const name = named();
    const terminal = spawnTerminal(
      'docker',
      ['run', '-it', '--name', name, '--detach-keys', 'ctrl-x,q', 'busybox', 'sh'],
      {
        env: dockerEnvironment(dockerHost) as Record<string, string>,
      },
    );
    let output = '';
    terminal.onData((data) => (output += data));
    const ended = new Promise((resolve) => terminal.onExit(resolve));
    await eventually(() => expect(output).toContain('# '));
    terminal.write('\x18q');
    await ended;
    expect(await inspected(name, '{{.State.Running}}')).toBe('true');
  });

  itHas(['--sig-proxy'], 'signals reach the process, or stay with the CLI', async () => {
    const proxied = named();
    const script = 'trap "exit 6" TERM; echo up; while :; do sleep .05; done';
    const started = async (args: string[]) => {
      const child = spawn('docker', ['run', ...args, 'busybox', 'sh', '-c', script], {
        env: dockerEnvironment(dockerHost),
      });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      child.kill('SIGTERM');
      return child;
    };
    const ended = (child: ChildProcess) => expect(child.exitCode ?? child.signalCode).not.toBeNull();
    const passing = await started(['--name', proxied]);
    await eventually(() => ended(passing));
    expect(passing.exitCode).toBe(6);
    const alone = named();
    const keeping = await started(['--sig-proxy=false', '--name', alone]);
    // A newer CLI only gives up at the third signal.
    await eventually(() => {
      keeping.kill('SIGTERM');
      ended(keeping);
    });
    expect(await inspected(alone, '{{.State.Running}}')).toBe('true');
  });

  itHas(['--stop-signal', '--stop-timeout'], 'how docker stop ends it', async () => {
    const [asked, stubborn] = [named(), named()];
    const loop = 'while :; do sleep .05; done';
    await docker([
      'run',
      '-d',
      '--name',
      asked,
      '--stop-signal',
      'USR1',
      'busybox',
      'sh',
      '-c',
      `trap "exit 7" USR1; echo up; ${loop}`,
    ]);
    await docker([
      'run',
      '-d',
      '--name',
      stubborn,
      '--stop-timeout',
      '0',
      'busybox',
      'sh',
      '-c',
      `trap "" TERM; echo up; ${loop}`,
    ]);
    for (const name of [asked, stubborn]) {
      await eventually(async () => expect((await docker(['logs', name])).stdout).toBe('up\n'));
      await docker(['stop', name]);
    }
    expect(await inspected(asked, '{{.State.ExitCode}}')).toBe('7');
    expect(await inspected(stubborn, '{{.State.ExitCode}}')).toBe('137');
  });

  itHas(['--restart'], 'as often as asked', async () => {
    const name = named();
    await docker([
      'run',
      '-d',
      '--name',
      name,
      '--restart',
      'on-failure:2',
      'busybox',
      'sh',
      '-c',
      'echo ran; exit 1',
    ]);
    await eventually(async () =>
      expect(await inspected(name, '{{.RestartCount}} {{.State.Status}}')).toBe('2 exited'),
    );
    expect((await docker(['logs', name])).stdout).toBe('ran\nran\nran\n');
    expect(await refusalOf(['--restart', 'always'])).toContain('onflicting options');
  });

  itHas(['--label', '--label-file', '--annotation'], 'for filters, and for the runtime', async () => {
    const name = named();
    const labels = file('labels', 'from=file\n');
    await docker([
      'create',
      '--name',
      name,
      '-l',
      'own=yes',
      '--label-file',
      labels,
      '--annotation',
      'org.example.a=b',
      'busybox',
      'true',
    ]);
    const found = await docker([
      'ps',
      '-aq',
      '--no-trunc',
      '--filter',
      'label=own=yes',
      '--filter',
      'label=from=file',
    ]);
    expect(found.stdout.trim()).toBe(await inspected(name, '{{.Id}}'));
    await docker(['start', '-a', name]);
    const spec = JSON.parse(
      readFileSync(join(instance.dataRoot, 'containers', found.stdout.trim(), 'config.json'), 'utf8'),
    ) as { annotations: object };
    expect(spec.annotations).toMatchObject({ 'org.example.a': 'b' });
  });

  itHas(['--runtime'], 'the one asked for keeps its state', async () => {
    const name = named();
    await docker(['run', '-d', '--name', name, '--runtime', 'runc', 'busybox', 'sleep', '300']);
    const id = await inspected(name, '{{.Id}}');
    expect(existsSync(join(instance.runDir, 'containers', 'runtimes', 'runc', id))).toBe(true);
    expect(await refusalOf(['--runtime', 'mine'])).toContain('unknown or invalid runtime name: mine');
  });

  itHas(['--log-driver', '--log-opt'], 'what docker logs has', async () => {
    const [silent, capped] = [named(), named()];
    await docker(['run', '--name', silent, '--log-driver', 'none', 'busybox', 'echo', 'said']);
    expect((await docker(['logs', silent])).stderr).toContain(
      'configured logging driver does not support reading',
    );
    await docker([
      ...[
        'run',
        '--name',
        capped,
        '--log-driver',
        'json-file',
        '--log-opt',
        'max-size=10k',
        '--log-opt',
        'max-file=1',
      ],
      ...['busybox', 'sh', '-c', 'yes | head -n 20000; echo end'],
    ]);
    await eventually(async () => {
      const { stdout } = await docker(['logs', capped]);
      expect(stdout.endsWith('end\n')).toBe(true);
      expect(stdout.length).toBeLessThan(40_000);
    });
    expect(await refusalOf(['--log-driver', 'mine'])).toContain('mine');
  });

  describe('health', () => {
    const health = (name: string) => inspected(name, '{{json .State.Health}}');

    itHas(
      ['--health-cmd', '--health-interval', '--health-retries'],
      'unhealthy after as many, healthy again',
      async () => {
        const name = named();
        await docker([
          ...[
            'run',
            '-d',
            '--name',
            name,
            '--health-cmd',
            'test -f /tmp/ok',
            '--health-interval',
            '100ms',
            '--health-retries',
            '2',
          ],
          ...['busybox', 'sleep', '300'],
        ]);
        await eventually(async () => expect(await health(name)).toContain('"Status":"unhealthy"'));
        await docker(['exec', name, 'touch', '/tmp/ok']);
        await eventually(async () => expect(await health(name)).toContain('"Status":"healthy"'));
      },
    );

    itHas(
      ['--health-start-period', '--health-start-interval'],
      'looked at sooner while it starts',
      async () => {
        const name = named();
        await docker([
          ...['run', '-d', '--name', name, '--health-cmd', 'true', '--health-interval', '1h'],
          ...['--health-start-period', '1h', '--health-start-interval', '100ms', 'busybox', 'sleep', '300'],
        ]);
        await eventually(async () => expect(await health(name)).toContain('"Status":"healthy"'));
      },
    );

    itHas(['--health-timeout'], 'ends a check that takes too long', async () => {
      const name = named();
      await docker([
        ...[
          'run',
          '-d',
          '--name',
          name,
          '--health-cmd',
          'sleep 100',
          '--health-interval',
          '100ms',
          '--health-timeout',
          '100ms',
        ],
        ...['busybox', 'sleep', '300'],
      ]);
      await eventually(async () =>
        expect(await health(name)).toContain('Health check exceeded timeout (100ms)'),
      );
    });

    itHas(['--no-healthcheck'], 'not even that of the image', async () => {
      const [image, source, name] = [freshName('checked'), named(), named()];
      images.push(image);
      await docker(['create', '--name', source, 'busybox', 'sleep', '300']);
      await docker(['commit', '-c', 'HEALTHCHECK --interval=1h CMD true', source, image]);
      await docker(['run', '-d', '--name', name, '--no-healthcheck', image, 'sleep', '300']);
      expect(await health(name)).toBe('null');
    });
  });

  describe('the image', () => {
    itHas(['--pull', '--quiet'], 'never, missing, always', async () => {
      expect((await docker(['run', '--rm', '-q', '--pull', 'never', 'nonesuch:1'])).stderr).toContain(
        'No such image: nonesuch:1',
      );
      expect(await outputOf(['--pull', 'missing'], 'echo here')).toBe('here\n');
      const { code } = await docker(['run', '--rm', '-q', '--pull', 'always', '127.0.0.1:1/nonesuch']);
      expect(code).not.toBe(0);
    });

    itHas(['--platform', '--disable-content-trust'], 'of this machine only', async () => {
      const [own, other] = process.arch === 'x64' ? ['amd64', 'arm64'] : ['arm64', 'amd64'];
      expect(await outputOf(['--platform', `linux/${own}`, '--disable-content-trust'], 'echo here')).toBe(
        'here\n',
      );
      expect(await refusalOf(['--platform', `linux/${other}`, '--pull', 'never'])).toContain(
        `does not provide the specified platform (linux/${other})`,
      );
    });
  });

  itHas(['--use-api-socket'], 'the socket of the engine is in it', async () => {
    expect(
      await outputOf(['--use-api-socket'], 'grep " /var/run/docker.sock " /proc/self/mountinfo'),
    ).toContain(instance.socket);
  });

  itHas(['--help'], 'of the CLI itself', async () => {
    expect((await docker(['run', '--help'])).stdout).toContain('docker run [OPTIONS] IMAGE');
  });

  it('a program that is not there, or is none, ends with 127 and 126', async () => {
    expect((await docker(['run', '--rm', 'busybox', 'nonesuch'])).code).toBe(127);
    expect((await docker(['run', '--rm', 'busybox', '/etc'])).code).toBe(126);
    expect((await runScript([], 'exit 9')).code).toBe(9);
  });
});
