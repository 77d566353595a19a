import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { busyboxRootfs } from '../support/busybox-image';
import { freshName, type Inspected } from '../support/containers';
import { dockerOn } from '../support/docker-cli';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { TestInstance } from '../support/test-instance';

describe('stopping and starting the whole instance', () => {
  jest.setTimeout(120_000);
  let own: TestInstance;
  beforeAll(async () => {
    own = await TestInstance.start(`gr${Math.random().toString(36).slice(2, 8)}`);
    await new EngineClient(own.socket).post(
      '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
      await busyboxRootfs(),
    );
  });
  afterAll(() => own?.clean());

  it('leaves containers running, and knows them and what became of them', async () => {
    const api = new EngineClient(own.socket);
    const docker = dockerOn(own.dockerHost);
    const state = async (name: string) => (await api.get<Inspected>(`/containers/${name}/json`)).body.State;
    const [stays, ends, restarts] = ['stays', 'ends', 'restarts'].map(freshName) as [string, string, string];
    const volume = freshName('kept');
    const loop = 'i=0; while [ ! -e /d/end ]; do echo line $i; i=$((i+1)); sleep .05; done; exit 9';
    await docker(['run', '-d', '--name', stays, '-p', '127.0.0.1::80', 'busybox', 'sh', '-c', loop]);
    await docker(['run', '-d', '--name', ends, '-v', `${volume}:/d`, 'busybox', 'sh', '-c', loop]);
    await docker(['run', '-d', '--name', restarts, '--restart', 'always', 'busybox', 'sleep', '300']);
    const { Pid } = await state(stays);
    const ending = (await state(ends)).Pid;
    const restarting = (await state(restarts)).Pid;
    const mountpoint = (await docker(['volume', 'inspect', '-f', '{{.Mountpoint}}', volume])).stdout.trim();

    await own.stop();
    process.kill(Pid, 0);
    writeFileSync(`${mountpoint}/end`, '');
    process.kill(restarting, 'SIGKILL');
    await eventually(() => expect(existsSync(`/proc/${ending}`)).toBe(false));
    await own.startAgain();

    expect(await state(stays)).toMatchObject({ Status: 'running', Pid });
    expect(await state(ends)).toMatchObject({ Status: 'exited', ExitCode: 9 });
    await eventually(async () => expect(await state(restarts)).toMatchObject({ Status: 'running' }));
    const lines = (await docker(['logs', stays])).stdout.trim().split('\n');
    expect(lines).toEqual(lines.map((_, index) => `line ${index}`));
    expect(await docker(['exec', stays, 'echo', 'in'])).toMatchObject({ code: 0, stdout: 'in\n' });
    expect((await docker(['volume', 'rm', volume])).stderr).toContain('volume is in use');
    expect((await docker(['rm', '-f', stays, ends, restarts])).code).toBe(0);
    expect((await docker(['volume', 'rm', volume])).code).toBe(0);
  });

  it('comes back from a copy of its data root, without what the databases knew', async () => {
    const docker = dockerOn(own.dockerHost);
    const run = promisify(execFile);
    const [name, other, volume, network] = ['saved', 'over', 'saved', 'saved'].map(freshName) as [
      string,
      string,
      string,
      string,
    ];
    await docker(['network', 'create', '--subnet', '10.231.7.0/28', network]);
    const options = ['--network', network, '-v', `${volume}:/d`, '-l', 'a=b'];
    const script = 'echo said; echo kept >/d/file; echo changed >/own; exec sleep 300';
    await docker(['run', '-d', '--name', name, ...options, 'busybox', 'sh', '-c', script]);
    await docker(['run', '--name', other, 'busybox', 'sh', '-c', 'exit 5']);
    await eventually(async () =>
      expect((await docker(['exec', name, 'cat', '/own'])).stdout).toBe('changed\n'),
    );
    await docker(['stop', '-t', '0', name]);
    const seen = async () => [
      (await docker(['inspect', name, other])).stdout,
      (await docker(['images', '--no-trunc', '--format', '{{.Repository}} {{.ID}} {{.Size}}'])).stdout,
      (await docker(['network', 'inspect', '-f', '{{.Id}} {{json .IPAM}}', network])).stdout,
      (await docker(['volume', 'inspect', volume])).stdout,
    ];
    const before = await seen();

    // As docs/operations.md says.
    await own.stop();
    const archive = `${own.dataRoot}.tar`;
    const tar = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '-C', own.dataRoot];
    await run('tar', [...tar, '--exclude=./postgres', '--exclude=./redis', '-cf', archive, '.']);
    const paths = ['--run-dir', own.runDir, '--data-root', own.dataRoot];
    await run(process.execPath, ['scripts/clean.mjs', '--instance', own.name, ...paths]);
    mkdirSync(own.dataRoot);
    await run('tar', [...tar, '-xpf', archive]);
    await own.startAgain();

    expect(await seen()).toEqual(before);
    expect(await docker(['start', name])).toMatchObject({ code: 0 });
    expect((await docker(['exec', name, 'cat', '/own', '/d/file'])).stdout).toBe('changed\nkept\n');
    expect((await docker(['logs', name])).stdout).toContain('said\n');
    expect(await docker(['run', '--rm', 'busybox', 'echo', 'new'])).toMatchObject({ stdout: 'new\n' });
    await docker(['rm', '-f', name, other]);
  });
});
