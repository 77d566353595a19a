import { api, docker } from '../support/engine';
import { createContainer, freshName, inspect, removeContainer, startContainer } from '../support/containers';
import { eventually } from '../support/eventually';

/** What signals, names and waiting do to containers: each as a dockerd does it. */
describe('signals and who waits', () => {
  const made: string[] = [];
  const kept = async (id: Promise<string>): Promise<string> => {
    made.push(await id);
    return id;
  };
  afterAll(async () => {
    for (const id of made) await removeContainer(id);
  });

  const TRAPS = 'trap "exit 3" HUP; trap "exit 4" INT; trap : USR1; while :; do sleep .05; done';
  const always = { RestartPolicy: { Name: 'always' } };
  /** A container whose shell has its traps. */
  const trapping = async (more: { config?: object; host?: object } = {}): Promise<string> => {
    const id = await kept(
      startContainer({ cmd: ['sh', '-c', TRAPS], config: { ...more.config }, host: { ...more.host } }),
    );
    await eventually(async () =>
      expect((await docker(['exec', id, 'grep', 'SigCgt', '/proc/1/status'])).stdout).toMatch(
        /[2367abef]\n$/,
      ),
    );
    return id;
  };
  const answer = async (method: string, path: string, body?: object) => {
    const { status, body: got } = await api.call<{ message?: string }>(method, path, body);
    return [status, got.message];
  };

  it('a signal that ends the container ends it for its policy, too', async () => {
    const id = await trapping({ host: always });
    expect((await api.post(`/containers/${id}/kill?signal=HUP`)).status).toBe(204);
    await eventually(async () =>
      expect((await inspect(id)).State).toMatchObject({ Status: 'exited', ExitCode: 3 }),
    );
    expect((await inspect(id)).RestartCount).toBe(0);
  });

  it('where the container says which signal stops it, the policy goes on after another', async () => {
    const id = await trapping({ config: { StopSignal: 'SIGINT' }, host: always });
    await api.post(`/containers/${id}/kill?signal=HUP`);
    await eventually(async () => expect((await inspect(id)).RestartCount).toBe(1));
    await eventually(async () => expect((await inspect(id)).State.Status).toBe('running'));
    await eventually(async () => {
      await api.post(`/containers/${id}/kill?signal=INT`);
      expect((await inspect(id)).State.Status).toBe('exited');
    });
    expect((await inspect(id)).State.ExitCode).toBeGreaterThan(0);
  });

  it('a signal that it takes neither ends nor marks it', async () => {
    const id = await trapping({ host: always });
    await api.post(`/containers/${id}/kill?signal=USR1`);
    expect((await inspect(id)).State).toMatchObject({ Status: 'running' });
  });

  it('any signal thaws, but where the container says which one stops it', async () => {
    const plain = await trapping();
    const named = await trapping({ config: { StopSignal: 'SIGINT' } });
    for (const id of [plain, named]) {
      await api.post(`/containers/${id}/pause`);
      await api.post(`/containers/${id}/kill?signal=USR1`);
    }
    expect((await inspect(plain)).State).toMatchObject({ Status: 'running', Paused: false });
    expect((await inspect(named)).State).toMatchObject({ Status: 'paused', Paused: true });
    expect((await api.post(`/containers/${named}/kill?signal=INT`)).status).toBe(204);
    await eventually(async () => expect((await inspect(named)).State.Status).toBe('exited'));
  });

  it('any signal ends the waiting for a restart', async () => {
    const id = await kept(startContainer({ cmd: ['false'], host: always }));
    await eventually(async () => expect((await inspect(id)).RestartCount).toBeGreaterThan(3));
    await eventually(async () => expect((await inspect(id)).State.Status).toBe('restarting'));
    expect((await api.post(`/containers/${id}/kill?signal=HUP`)).status).toBe(204);
    await eventually(async () =>
      expect((await inspect(id)).State).toMatchObject({ Status: 'exited', ExitCode: 1 }),
    );
  });

  it('a paused container is restarted, running', async () => {
    const id = await trapping();
    await api.post(`/containers/${id}/pause`);
    const before = (await inspect(id)).State.Pid;
    expect((await api.post(`/containers/${id}/restart?t=1`)).status).toBe(204);
    const { State } = await inspect(id);
    expect(State).toMatchObject({ Status: 'running', Paused: false });
    expect(State.Pid).not.toBe(before);
  });

  it('everybody who waits hears of it, each of what he waits for', async () => {
    const id = await kept(
      startContainer({ cmd: ['sh', '-c', 'read line; exit 6'], config: { OpenStdin: true } }),
    );
    const wait = (condition: string) =>
      api
        .post<{ StatusCode: number }>(`/containers/${id}/wait?condition=${condition}`)
        .then(({ body }) => body);
    const ends = ['not-running', 'not-running', 'next-exit', 'next-exit', ''].map(wait);
    const removals = ['removed', 'removed'].map(wait);
    let removed = 0;
    for (const removal of removals) void removal.then(() => (removed += 1));
    await api.post(`/containers/${id}/kill?signal=KILL`);
    expect(await Promise.all(ends)).toEqual(ends.map(() => ({ StatusCode: 137 })));
    expect(await wait('not-running')).toEqual({ StatusCode: 137 });
    expect(removed).toBe(0);
    const nextExit = wait('next-exit');
    expect((await api.delete(`/containers/${id}`)).status).toBe(204);
    expect(await Promise.all([...removals, nextExit])).toEqual(
      [137, 137, 137].map((StatusCode) => ({ StatusCode })),
    );
    expect(await answer('POST', `/containers/${id}/wait?condition=soon`)).toEqual([
      400,
      'invalid condition: "soon"',
    ]);
  });

  it('has no policy where it is removed at its end', async () => {
    const id = await kept(startContainer({ host: { AutoRemove: true } }));
    expect(await answer('POST', `/containers/${id}/update`, { RestartPolicy: { Name: 'always' } })).toEqual([
      409,
      `Cannot update container ${id}: Restart policy cannot be updated because AutoRemove is enabled for the container`,
    ]);
    const same = { RestartPolicy: { Name: 'no' }, CpuShares: 512 };
    expect((await api.post(`/containers/${id}/update`, same)).status).toBe(200);
  });

  it('is given no name that it has, that is taken, or that is none', async () => {
    const [name, taken] = [freshName('named'), freshName('taken')];
    await kept(createContainer({ name }));
    const other = await kept(createContainer({ name: taken }));
    const rename = (to: string) =>
      answer('POST', `/containers/${name}/rename?name=${encodeURIComponent(to)}`);
    const own = [400, 'Renaming a container with the same name as its current name'];
    expect(await rename(name)).toEqual(own);
    expect(await rename(`/${name}`)).toEqual(own);
    expect(await rename('')).toEqual([400, 'Neither old nor new names may be empty']);
    expect(await rename(taken)).toEqual([
      409,
      `Error when allocating new name: Conflict. The container name "/${taken}" is already in use by container "${other}". You have to remove (or rename) that container to be able to reuse that name.`,
    ]);
    expect(await rename('a b')).toEqual([
      400,
      'Error when allocating new name: Invalid container name (/a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed',
    ]);
  });
});
