import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxRootfs } from '../support/busybox-image';
import { createContainer, freshName, type Inspected } from '../support/containers';
import { dockerOn } from '../support/docker-cli';
import { disagreements } from '../support/engine-audit';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { powerOff } from '../support/power-off';
import { TestInstance } from '../support/test-instance';

describe('a reboot of the host', () => {
  jest.setTimeout(120_000);
  const faults = mkdtempSync(join(tmpdir(), 'gantry-faults-'));
  let own: TestInstance;
  let api: EngineClient;
  beforeAll(async () => {
    own = await TestInstance.start(`gb${Math.random().toString(36).slice(2, 8)}`, {
      env: { GANTRY_FAULT_DIR: faults },
    });
    api = new EngineClient(own.socket);
    await api.post(
      '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
      await busyboxRootfs(),
    );
  });
  afterAll(async () => {
    await own?.clean();
    rmSync(faults, { recursive: true });
  });

  const inspect = async (name: string) => (await api.get<Inspected>(`/containers/${name}/json`)).body;
  const post = async (path: string, body?: object) => {
    const { status, text } = await api.post(path, body);
    if (status >= 400) throw new Error(`${path}: ${status} ${text}`);
  };

  it('starts what the policies say, and leaves nothing of what ran', async () => {
    const run = async (what: string, more: object = {}, policy = 'no', cmd = ['sleep', '300']) => {
      const name = freshName(what);
      const { config = {}, host = {} } = more as { config?: object; host?: object };
      await createContainer(
        {
          name,
          cmd,
          config: { ...config } as Record<string, unknown>,
          host: { RestartPolicy: { Name: policy }, ...host },
        },
        api,
      );
      await post(`/containers/${name}/start`);
      return name;
    };
    const stopped = async (what: string, policy: string) => {
      const name = await run(what, {}, policy);
      await post(`/containers/${name}/stop?t=0`);
      return name;
    };
    const volume = freshName('kept');
    const serves = ['sh', '-c', 'echo served >/d/index.html; exec httpd -f -p 80 -h /d'];
    const always = await run(
      'always',
      {
        config: { Healthcheck: { Test: ['CMD', 'true'], Interval: 1e9 } },
        host: { Binds: [`${volume}:/d`], PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1' }] } },
      },
      'always',
      serves,
    );
    const unlessStopped = await run('unless', {}, 'unless-stopped');
    const failing = await run('failing', {}, 'on-failure');
    const frozen = await run('frozen', {}, 'always');
    await post(`/containers/${frozen}/pause`);
    const plain = await run('plain');
    const shared = await run('shared', { host: { IpcMode: 'shareable' } });
    const removed = await run('removed', { host: { AutoRemove: true } });
    const looping = await run('looping', {}, 'always', ['false']);
    const stoppedAlways = await stopped('stopped-always', 'always');
    const stoppedUnless = await stopped('stopped-unless', 'unless-stopped');
    const never = freshName('never');
    await createContainer({ name: never, host: { RestartPolicy: { Name: 'always' } } }, api);
    const docker = dockerOn(own.dockerHost);
    await docker(['exec', '-d', always, 'sleep', '300']);
    await docker(['exec', '-d', plain, 'sleep', '300']);
    const created = (await inspect(always)).State.StartedAt;

    await powerOff(own, faults);
    await own.startAgain();

    for (const name of [always, unlessStopped, failing, frozen, stoppedAlways]) {
      await eventually(async () =>
        expect((await inspect(name)).State).toMatchObject({ Status: 'running', Paused: false, Error: '' }),
      );
    }
    expect((await inspect(always)).State.StartedAt > created).toBe(true);
    for (const name of [plain, shared]) {
      expect((await inspect(name)).State).toMatchObject({ Status: 'exited', ExitCode: 255, Pid: 0 });
    }
    expect((await inspect(stoppedUnless)).State).toMatchObject({ Status: 'exited', ExitCode: 137 });
    expect((await inspect(never)).State.Status).toBe('created');
    await eventually(async () => expect((await api.get(`/containers/${removed}/json`)).status).toBe(404));
    await eventually(async () => expect((await inspect(looping)).RestartCount).toBeGreaterThan(1));

    const [binding] = (await inspect(always)).NetworkSettings.Ports['80/tcp'] ?? [];
    await eventually(async () => expect(await fetched(Number(binding?.HostPort))).toBe('served\n'));
    await eventually(async () =>
      expect((await inspect(always)).State).toMatchObject({ Health: { Status: 'healthy' } }),
    );
    expect((await docker(['exec', always, 'cat', '/d/index.html'])).stdout).toBe('served\n');

    await post(`/containers/${looping}/stop`);
    await eventually(async () => expect(await disagreements(own, api)).toEqual([]));
    for (const name of [plain, shared]) await post(`/containers/${name}/start`);
    await eventually(async () => expect(await disagreements(own, api)).toEqual([]));
  });

  function fetched(port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port }, (answer) => {
        let text = '';
        answer.on('data', (part: Buffer) => (text += part.toString()));
        answer.once('end', () => resolve(text));
      }).once('error', reject);
    });
  }
});
