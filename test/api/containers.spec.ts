import { api } from '../support/engine';
import {
  createContainer,
  freshName,
  inspect,
  removeContainer,
  runContainer,
  startContainer,
} from '../support/containers';
import { eventually } from '../support/eventually';

describe('containers', () => {
  const made: string[] = [];
  const kept = async (id: Promise<string>): Promise<string> => {
    made.push(await id);
    return id;
  };
  afterAll(async () => {
    for (const id of made) await removeContainer(id);
  });

  it('goes from created through running to exited', async () => {
    const id = await kept(createContainer({ cmd: ['sh', '-c', 'exit 3'] }));
    expect((await inspect(id)).State).toMatchObject({ Status: 'created', Running: false, Pid: 0 });
    expect((await api.post(`/containers/${id}/start`)).status).toBe(204);
    expect((await api.post(`/containers/${id}/wait`)).body).toEqual({ StatusCode: 3 });
    expect((await inspect(id)).State).toMatchObject({ Status: 'exited', ExitCode: 3, Running: false });
  });

  it('answers 304 to a start of what runs and a stop of what does not', async () => {
    const id = await kept(startContainer({}));
    expect((await api.post(`/containers/${id}/start`)).status).toBe(304);
    expect((await api.post(`/containers/${id}/stop?t=0`)).status).toBe(204);
    expect((await api.post(`/containers/${id}/stop`)).status).toBe(304);
  });

  it('keeps output apart and in order', async () => {
    const ran = await runContainer({ cmd: ['sh', '-c', 'echo out; echo err >&2; echo more; exit 7'] });
    made.push(ran.id);
    expect(ran).toMatchObject({ code: 7, stdout: 'out\nmore\n', stderr: 'err\n' });
  });

  it.each([
    ['not-running', 'of one that has ended answers at once', 4],
    ['next-exit', 'answers at the next end', 4],
    ['removed', 'answers when it is gone', 4],
  ])('wait for %s %s', async (condition, _, code) => {
    const id = await createContainer({ cmd: ['sh', '-c', `exit ${code}`] });
    const started = () => api.post(`/containers/${id}/start`);
    if (condition === 'not-running') {
      await started();
      await api.post(`/containers/${id}/wait`);
      expect((await api.post(`/containers/${id}/wait?condition=${condition}`)).body).toEqual({
        StatusCode: code,
      });
      made.push(id);
      return;
    }
    const waiting = api.post(`/containers/${id}/wait?condition=${condition}`);
    await started();
    if (condition === 'removed') {
      await api.post(`/containers/${id}/wait`);
      await api.delete(`/containers/${id}`);
    } else made.push(id);
    expect((await waiting).body).toEqual({ StatusCode: code });
  });

  it.each([
    ['GET', '/containers/nonesuch/json', 404, 'No such container: nonesuch'],
    ['POST', '/containers/nonesuch/start', 404, 'No such container: nonesuch'],
    ['DELETE', '/containers/nonesuch', 404, 'No such container: nonesuch'],
    [
      'POST',
      '/containers/nonesuch/kill',
      404,
      'cannot kill container: nonesuch: No such container: nonesuch',
    ],
    ['POST', '/exec/nonesuch/start', 404, 'No such exec instance: nonesuch'],
    ['GET', '/containers/json?limit=many', 400, ''],
    ['GET', '/containers/json?filters=%7B%22bogus%22%3A%5B%22x%22%5D%7D', 400, 'bogus'],
  ])('%s %s answers %i', async (method, path, status, message) => {
    const answer = await api.call<{ message: string }>(
      method,
      path,
      path.includes('/exec/') ? {} : undefined,
    );
    expect(answer.status).toBe(status);
    expect(answer.body.message).toContain(message);
  });

  it.each([
    [{ Image: 'nonesuch:x', Cmd: ['true'] }, 404, 'No such image: nonesuch:x'],
    [
      { Image: 'busybox', Cmd: ['true'], HostConfig: { Memory: 1 << 20 } },
      400,
      'Minimum memory limit allowed is 6MB',
    ],
    [
      {
        Image: 'busybox',
        Cmd: ['true'],
        HostConfig: { Mounts: [{ Type: 'bind', Source: '/no/such', Target: '/m' }] },
      },
      400,
      'bind source path does not exist',
    ],
    [
      { Image: 'busybox', Cmd: ['true'], HostConfig: { Binds: ['a1:/d', 'a2:/d'] } },
      400,
      'Duplicate mount point: /d',
    ],
    [{ Image: 'busybox', Env: [null] }, 400, 'invalid environment variable: '],
    [{ Image: 'busybox', HostConfig: { Mounts: [null] } }, 400, 'field Target must not be empty'],
    [{}, 400, 'config cannot be empty in order to create a container'],
    [{ Image: 'busybox', Cmd: 5 }, 400, 'Go struct field CreateRequest.Cmd of type []string'],
    [{ Image: 'busybox', HostConfig: { ExtraHosts: ['x'] } }, 400, 'bad format for add-host: "x"'],
    [{ Image: 'busybox', HostConfig: { ExtraHosts: ['x:y'] } }, 400, 'invalid IP address in add-host: "y"'],
    [{ Image: 'busybox', HostConfig: { Links: ['a:b:c'] } }, 400, 'bad format for links: a:b:c'],
    [{ Image: 'busybox', HostConfig: { Binds: ['v:/x'] } }, 400, 'create v: volume name is too short'],
    [
      { Image: 'busybox', HostConfig: { Binds: ['a!:/x'] } },
      400,
      'create a!: "a!" includes invalid characters',
    ],
  ])('refuses to create %j', async (config, status, message) => {
    const answer = await api.post<{ message: string }>('/containers/create', config);
    expect(answer.status).toBe(status);
    expect(answer.body.message).toContain(message);
  });

  it('refuses a name that is taken, and frees it with the container', async () => {
    const name = freshName('taken');
    const id = await createContainer({ name });
    const answer = await api.post<{ message: string }>(`/containers/create?name=${name}`, {
      Image: 'busybox',
    });
    expect(answer.status).toBe(409);
    expect(answer.body.message).toContain(
      `Conflict. The container name "/${name}" is already in use by container "${id}"`,
    );
    await removeContainer(id);
    await kept(createContainer({ name }));
  });

  it('finds by name, id and prefix, and renames', async () => {
    const name = freshName('named');
    const id = await kept(createContainer({ name }));
    for (const reference of [name, id, id.slice(0, 12)]) expect((await inspect(reference)).Id).toBe(id);
    expect((await api.post(`/containers/${id}/rename?name=${name}-2`)).status).toBe(204);
    expect((await inspect(id)).Name).toBe(`/${name}-2`);
    expect((await api.get(`/containers/${name}/json`)).status).toBe(404);
  });

  it('does not remove what runs without force', async () => {
    const id = await startContainer({});
    expect((await api.delete(`/containers/${id}`)).status).toBe(409);
    expect((await api.delete(`/containers/${id}?force=1`)).status).toBe(204);
    expect((await api.get(`/containers/${id}/json`)).status).toBe(404);
  });

  it('takes an auto-remove container away by itself', async () => {
    const id = await createContainer({ cmd: ['true'], host: { AutoRemove: true } });
    const removed = api.post(`/containers/${id}/wait?condition=removed`);
    await api.post(`/containers/${id}/start`);
    expect((await removed).body).toEqual({ StatusCode: 0 });
    expect((await api.get(`/containers/${id}/json`)).status).toBe(404);
  });

  it('tells the end of an auto-remove container to who asks for it only then', async () => {
    const id = await startContainer({ cmd: ['sh', '-c', 'exit 7'], host: { AutoRemove: true } });
    await eventually(async () => expect((await api.get(`/containers/${id}/json`)).status).toBe(404));
    expect((await api.post(`/containers/${id}/wait`)).body).toEqual({ StatusCode: 7 });
    expect((await api.post(`/containers/${id}/wait?condition=next-exit`)).status).toBe(404);
  });

  it('restarts on failure as often as the policy says', async () => {
    const id = await kept(
      startContainer({
        cmd: ['sh', '-c', 'echo try; exit 5'],
        host: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } },
      }),
    );
    await eventually(async () => {
      const { State, RestartCount } = await inspect(id);
      expect({ status: State.Status, count: RestartCount, code: State.ExitCode }).toEqual({
        status: 'exited',
        count: 2,
        code: 5,
      });
    });
  });

  it('kills what takes too much memory and says so', async () => {
    const ran = await runContainer({
      cmd: ['sh', '-c', 'tail /dev/zero'],
      host: { Memory: 20 << 20, MemorySwap: 20 << 20 },
    });
    made.push(ran.id);
    expect(ran.code).toBe(137);
    expect((await inspect(ran.id)).State).toMatchObject({ OOMKilled: true, ExitCode: 137 });
  });

  it.each([
    [
      'memory',
      { Memory: 64 << 20 },
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null',
      '67108864',
    ],
    [
      'cpus',
      { NanoCpus: 500_000_000 },
      'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null',
      '50000',
    ],
    ['pids', { PidsLimit: 33 }, 'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null', '33'],
    ['ulimits', { Ulimits: [{ Name: 'nofile', Soft: 99, Hard: 100 }] }, 'ulimit -n', '99'],
    ['capabilities', { CapDrop: ['ALL'] }, 'grep CapEff /proc/self/status', '0000000000000000'],
    ['seccomp', {}, 'grep ^Seccomp: /proc/self/status', '2'],
    ['read-only root', { ReadonlyRootfs: true }, 'touch /x 2>&1', 'Read-only file system'],
    ['tmpfs', { Tmpfs: { '/t': 'size=1m' } }, 'grep " /t " /proc/mounts', 'size=1024k'],
    ['init', { Init: true }, 'cat /proc/1/cmdline', 'init'],
    [
      'sysctls',
      { Sysctls: { 'net.ipv4.ip_unprivileged_port_start': '77' } },
      'cat /proc/sys/net/ipv4/ip_unprivileged_port_start',
      '77',
    ],
  ])('%s: the kernel has it', async (_, host, command, expected) => {
    const ran = await runContainer({ cmd: ['sh', '-c', command], host });
    made.push(ran.id);
    expect(ran.stdout).toContain(expected);
  });

  it('fails a start of what cannot be run, in the words the CLI looks for', async () => {
    const id = await kept(createContainer({ cmd: ['nonesuchcmd'] }));
    const { status, text } = await api.post(`/containers/${id}/start`);
    expect(status).toBe(400);
    expect(text).toContain('executable file not found in $PATH');
    expect((await inspect(id)).State).toMatchObject({ Status: 'created', ExitCode: 127 });
  });

  it('pauses and resumes', async () => {
    const id = await kept(startContainer({}));
    expect((await api.post(`/containers/${id}/pause`)).status).toBe(204);
    expect((await inspect(id)).State.Status).toBe('paused');
    expect((await api.post(`/containers/${id}/unpause`)).status).toBe(204);
    expect((await inspect(id)).State.Status).toBe('running');
  });

  it('filters the list', async () => {
    const label = freshName('label');
    const running = await kept(startContainer({ config: { Labels: { [label]: '1' } } }));
    const exited = await kept(
      startContainer({ cmd: ['sh', '-c', 'exit 3'], config: { Labels: { [label]: '2' } } }),
    );
    await api.post(`/containers/${exited}/wait`);
    const list = async (filters: Record<string, string[]>) => {
      const query = encodeURIComponent(JSON.stringify({ label: [label], ...filters }));
      const { body } = await api.get<{ Id: string }[]>(`/containers/json?all=1&filters=${query}`);
      return body.map(({ Id }) => Id);
    };
    expect(await list({})).toEqual([exited, running]);
    expect(await list({ status: ['running'] })).toEqual([running]);
    expect(await list({ exited: ['3'] })).toEqual([exited]);
    expect(await list({ label: [`${label}=2`] })).toEqual([exited]);
    expect(await list({ ancestor: ['busybox'] })).toHaveLength(2);
    expect(await list({ before: [exited] })).toEqual([running]);
    expect(await list({ since: [running] })).toEqual([exited]);
    expect(await list({ network: ['bridge'] })).toHaveLength(2);
    // Of the filters only status looks beyond what runs.
    const narrow = async (filters: Record<string, string[]>) => {
      const query = encodeURIComponent(JSON.stringify({ label: [label], ...filters }));
      return (await api.get<object[]>(`/containers/json?filters=${query}`)).body.length;
    };
    expect(await narrow({ status: ['exited'] })).toBe(1);
    expect(await narrow({ exited: ['3'] })).toBe(0);
    expect(await narrow({ since: [running] })).toBe(0);
  });

  it('lists a container under the id of its image once another has the name, and with its descendants', async () => {
    const image = freshName('moved');
    const source = await kept(createContainer({ config: { Env: ['KEPT=1', 'OVER=1'] } }));
    const commit = async (Config: object): Promise<string> =>
      (await api.post<{ Id: string }>(`/commit?container=${source}&repo=${image}`, Config)).body.Id;
    const first = await commit({ Env: ['OVER=2'] });
    const config = (await api.get<{ Config: { Env: string[] } }>(`/images/${image}/json`)).body.Config;
    expect(config.Env).toEqual(expect.arrayContaining(['KEPT=1', 'OVER=2']));
    expect(config.Env).not.toContain('OVER=1');

    const id = await kept(createContainer({ config: { Image: image } }));
    const shown = async (ancestor: string): Promise<string[]> => {
      const query = encodeURIComponent(JSON.stringify({ id: [id], ancestor: [ancestor] }));
      const { body } = await api.get<{ Image: string }[]>(`/containers/json?all=1&filters=${query}`);
      return body.map(({ Image }) => Image);
    };
    expect(await shown('busybox')).toEqual([image]);
    await commit({ Env: ['OVER=3'] });
    expect(await shown('busybox')).toEqual([first]);
    expect(await shown(image)).toEqual([]);
    await removeContainer(id);
    for (const name of [image, first]) await api.delete(`/images/${name}?force=1`);
  });

  it('shows the networks of a container that never ran with empty addresses', async () => {
    const { NetworkSettings } = await inspect(await kept(createContainer({})));
    expect(NetworkSettings.Networks['bridge']).toMatchObject({
      IPAddress: '',
      EndpointID: '',
      Aliases: null,
    });
  });

  it('asks whether a file was mounted over a directory', async () => {
    const id = await kept(createContainer({ host: { Binds: ['/etc/hostname:/data'] } }));
    const { status, text } = await api.post(`/containers/${id}/start`);
    expect(status).toBe(400);
    expect(text).toContain('Are you trying to mount a directory onto a file (or vice-versa)?');
    expect((await inspect(id)).State.ExitCode).toBe(127);
  });
});
