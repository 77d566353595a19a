import { existsSync, readFileSync } from 'node:fs';
import { api, docker, instance, killService } from '../support/engine';
import { createContainer, freshName, inspect, removeContainer, startContainer } from '../support/containers';
import { eventually } from '../support/eventually';

interface Health {
  Status: string;
  FailingStreak: number;
  Log: object[];
}

describe('the life of a container', () => {
  const made: string[] = [];
  const kept = async (id: Promise<string>): Promise<string> => {
    made.push(await id);
    return id;
  };
  afterAll(async () => {
    for (const id of made) await removeContainer(id);
  });

  const always = { RestartPolicy: { Name: 'always' } };
  const restarting = async (id: string) =>
    eventually(async () => expect((await inspect(id)).State.Status).toBe('restarting'));
  const answer = async (method: string, path: string, body?: object) => {
    const { status, body: got } = await api.call<{ message?: string }>(method, path, body);
    return [status, got.message];
  };

  it('is waited for until its next end, whatever its policy makes of that', async () => {
    const id = await kept(startContainer({ cmd: ['sh', '-c', 'sleep 1; exit 4'], host: always }));
    expect(await docker(['wait', id])).toMatchObject({ code: 0, stdout: '4\n' });
    await eventually(async () => expect((await inspect(id)).RestartCount).toBeGreaterThan(0));
  });

  it('is not restarted any more once killed or stopped while it waits for that', async () => {
    for (const [request, code] of [
      ['kill', 204],
      ['kill?signal=TERM', 204],
      ['stop', 204],
    ] as const) {
      const id = await kept(startContainer({ cmd: ['sh', '-c', 'exit 4'], host: always }));
      await eventually(async () => expect((await inspect(id)).RestartCount).toBeGreaterThan(2));
      await restarting(id);
      expect((await api.post(`/containers/${id}/${request}`)).status).toBe(code);
      // It may have been about to run again.
      await eventually(async () =>
        expect((await inspect(id)).State).toMatchObject({ Status: 'exited', Running: false }),
      );
    }
  });

  it('is refused what does not go with its state', async () => {
    const id = await kept(createContainer({}));
    const of = (path: string) => `/containers/${id}/${path}`;
    expect(await answer('POST', of('kill'))).toEqual([
      409,
      `cannot kill container: ${id}: container ${id} is not running`,
    ]);
    expect(await answer('POST', of('stop'))).toEqual([304, undefined]);
    expect(await answer('POST', of('pause'))).toEqual([409, `Container ${id} is not running`]);
    expect(await answer('POST', of('exec'), { Cmd: ['true'] })).toEqual([
      409,
      `Container ${id} is not running`,
    ]);
    await api.post(of('start'));
    expect(await answer('POST', of('start'))).toEqual([304, undefined]);
    expect(await answer('POST', of('unpause'))).toEqual([500, `Container ${id} is not paused`]);
    expect(await answer('POST', of('kill?signal=FOO'))).toEqual([
      400,
      `cannot kill container: ${id}: invalid signal: FOO`,
    ]);
    expect(await answer('POST', of('stop?signal=FOO'))).toEqual([400, 'invalid signal: FOO']);
    expect((await inspect(id)).State.Running).toBe(true);
    await api.post(of('pause'));
    expect(await answer('POST', of('start'))).toEqual([
      409,
      'cannot start a paused container, try unpause instead',
    ]);
    expect(await answer('POST', of('pause'))).toEqual([409, `Container ${id} is already paused`]);
  });

  it('that is paused is thawed to be stopped, and tells it', async () => {
    const since = Date.now() / 1000;
    const id = await kept(
      startContainer({ cmd: ['sh', '-c', 'trap "exit 3" TERM; while :; do sleep .05; done'] }),
    );
    await eventually(async () =>
      expect((await docker(['exec', id, 'sh', '-c', 'grep SigCgt /proc/1/status'])).stdout).toMatch(
        /4\d{3}$/m,
      ),
    );
    await api.post(`/containers/${id}/pause`);
    expect((await api.post(`/containers/${id}/stop`)).status).toBe(204);
    expect((await inspect(id)).State).toMatchObject({ Status: 'exited', Paused: false, ExitCode: 3 });
    const filters = encodeURIComponent(JSON.stringify({ container: [id] }));
    await eventually(async () => {
      const { text } = await api.get(`/events?since=${since}&until=${Date.now() / 1000}&filters=${filters}`);
      const actions = [...text.matchAll(/"Action":"(\w+)/g)].map(([, action]) => action);
      expect(actions.slice(-5)).toEqual(['pause', 'kill', 'unpause', 'die', 'stop']);
    });
  });

  it('has its memory limited while it runs, from none and from another limit', async () => {
    const id = await kept(startContainer({}));
    const limit = () => readLimit(id);
    for (const mib of [64, 32, 128]) {
      const bytes = mib << 20;
      const updated = await api.post(`/containers/${id}/update`, { Memory: bytes, MemorySwap: bytes });
      expect(updated.status).toBe(200);
      expect(limit()).toBe(bytes);
    }
  });

  it('stays stopped where the service is killed before it has ended', async () => {
    const name = freshName('stopping');
    const cmd = [
      'sh',
      '-c',
      'trap "touch /asked; sleep 1; exit 0" TERM; touch /ready; while :; do sleep .05; done',
    ];
    const id = await kept(startContainer({ name, cmd, host: always }));
    const { Pid } = (await inspect(id)).State;
    const inside = (file: string) => expect(existsSync(`/proc/${Pid}/root/${file}`)).toBe(true);
    await eventually(() => inside('ready'));
    const stopping = api.post(`/containers/${id}/stop`).catch(() => undefined);
    await eventually(() => inside('asked'));
    await killService('container');
    await stopping;
    await eventually(async () => expect((await inspect(id)).State.Status).toBe('exited'));
    expect((await inspect(id)).RestartCount).toBe(0);
  });

  it('has execs that go on where the service is killed; their clients hear that they were left', async () => {
    const id = await kept(startContainer({}));
    const { Pid } = (await inspect(id)).State;
    const command = 'touch /began; until [ -e /go ]; do sleep .05; done; touch /done; exit 5';
    const client = docker(['exec', id, 'sh', '-c', command]);
    const inside = (file: string) => expect(existsSync(`/proc/${Pid}/root/${file}`)).toBe(true);
    await eventually(() => inside('began'));
    const exec = (await inspect(id)).ExecIDs?.[0];
    await killService('container');
    expect((await client).code).toBe(1);
    expect((await client).stderr).toContain('error from daemon in stream');
    const state = async () =>
      (await api.get<{ Running: boolean; ExitCode: number }>(`/exec/${exec}/json`)).body;
    expect(await state()).toMatchObject({ Running: true });
    await docker(['exec', id, 'touch', '/go']);
    await eventually(async () => expect(await state()).toMatchObject({ Running: false, ExitCode: 5 }));
    inside('done');
  });

  it('has its health carried on where the service is killed', async () => {
    const id = await kept(
      startContainer({
        config: { Healthcheck: { Test: ['CMD-SHELL', 'test -e /well'], Interval: 2e8, Retries: 1000 } },
      }),
    );
    const health = async () =>
      (await api.get<{ State: { Health: Health } }>(`/containers/${id}/json`)).body.State.Health;
    await eventually(async () => expect((await health()).FailingStreak).toBeGreaterThan(5));
    await killService('container');
    const after = await health();
    expect(after).toMatchObject({ Status: 'starting' });
    expect(after.FailingStreak).toBeGreaterThan(5);
    expect(after.Log).toHaveLength(5);
    await docker(['exec', id, 'touch', '/well']);
    await eventually(async () =>
      expect(await health()).toMatchObject({ Status: 'healthy', FailingStreak: 0 }),
    );
  });

  function readLimit(id: string): number {
    const v1 = `/sys/fs/cgroup/memory/${instance.name}/${id}/memory.limit_in_bytes`;
    const v2 = `/sys/fs/cgroup/${instance.name}/${id}/memory.max`;
    return Number(readFileSync(existsSync(v1) ? v1 : v2, 'utf8'));
  }
});
