import { api } from '../support/engine';
import {
  createContainer,
  freshName,
  removeContainer,
  runContainer,
  startContainer,
} from '../support/containers';
import { eventually } from '../support/eventually';

/** What moby's own suites ask of an engine and nothing else here does. */
describe('as dockerd 29', () => {
  const made: string[] = [];
  const keep = (id: string): string => {
    made.push(id);
    return id;
  };
  afterAll(() => Promise.all(made.map(removeContainer)));

  it.each([
    [{ ExposedPorts: { '80-90': {} } }, "invalid JSON: invalid port '80-90': invalid syntax"],
    [
      { HostConfig: { PortBindings: { '70000': [{}] } } },
      "invalid JSON: invalid port '70000': value out of range",
    ],
    [
      { HostConfig: { PortBindings: { 80: [{ HostIp: 'x' }] } } },
      'invalid JSON: ParseAddr("x"): unable to parse IP',
    ],
    [{ HostConfig: { PortBindings: { 0: [{}] } } }, 'invalid port specification: "0/tcp"'],
    [{ HostConfig: { CpuShares: -1 } }, 'invalid CPU shares (-1): value must be a positive integer'],
  ])('refuses a container of %j', async (fields, message) => {
    const { status, body } = await api.post('/containers/create', { Image: 'busybox', ...fields });
    expect({ status, body }).toEqual({ status: 400, body: { message } });
  });

  it('takes no body for one without fields', async () => {
    expect((await api.post('/networks/create')).body).toEqual({ message: 'invalid name: name is empty' });
    expect((await api.post('/containers/nonesuch/update')).status).toBe(404);
    expect((await api.post('/containers/create')).body).toEqual({ message: 'invalid JSON: EOF' });
  });

  it('refuses the exec of a user that is not there when it is created', async () => {
    const id = keep(await startContainer({}));
    const { status, body } = await api.post(`/containers/${id}/exec`, { Cmd: ['id'], User: 'nobody2' });
    expect({ status, body }).toEqual({
      status: 400,
      body: { message: 'unable to find user nobody2: no matching entries in passwd file' },
    });
  });

  it('does not join the namespace of a container that does not run', async () => {
    const target = keep(await createContainer({ host: { IpcMode: 'shareable' } }));
    for (const [mode, kind] of [
      ['PidMode', 'PID'],
      ['IpcMode', 'IPC'],
    ] as const) {
      const id = keep(await createContainer({ host: { [mode]: `container:${target}` } }));
      const { status, body } = await api.post(`/containers/${id}/start`);
      expect({ status, body }).toEqual({
        status: 500,
        body: { message: `failed to join ${kind} namespace: container ${target} is not running` },
      });
    }
  });

  it('finds containers by their annotations', async () => {
    const value = freshName('annotation');
    const id = keep(await createContainer({ host: { Annotations: { 'org.example.key': value } } }));
    const found = async (term: string) => {
      const filters = encodeURIComponent(JSON.stringify({ annotation: [term] }));
      const { body } = await api.get<{ Id: string }[]>(`/containers/json?all=1&filters=${filters}`);
      return body.map(({ Id }) => Id);
    };
    expect(await found('org.example.key')).toContain(id);
    expect(await found(`org.example.key=${value}`)).toEqual([id]);
    expect(await found('org.example.key=other')).toEqual([]);
  });

  it('says that a limit of processes is gone with 0', async () => {
    const id = keep(await startContainer({ host: { PidsLimit: 32 } }));
    await api.post(`/containers/${id}/update`, { PidsLimit: -1 });
    const { body } = await api.get<{ HostConfig: { PidsLimit: number } }>(`/containers/${id}/json`);
    expect(body.HostConfig.PidsLimit).toBe(0);
  });

  it('keeps what a check wrote before its time was over', async () => {
    const config = {
      Healthcheck: { Test: ['CMD-SHELL', 'echo begun; sleep 60'], Interval: 1e9, Timeout: 1e9, Retries: 1 },
    };
    const id = keep(await startContainer({ config }));
    const output = await eventually(async () => {
      const { body } = await api.get<{ State: { Health: { Log: { Output: string }[] } } }>(
        `/containers/${id}/json`,
      );
      const [first] = body.State.Health.Log;
      if (!first) throw new Error('no check has ended yet');
      return first.Output;
    });
    expect(output).toBe('Health check exceeded timeout (1s): begun\n');
  });

  it('takes `./` for what is in a directory, and no file for one', async () => {
    const id = keep(await createContainer({}));
    const names = await api.get(`/containers/${id}/archive?path=data/./`);
    expect(names.status).toBe(200);
    expect(names.text.slice(0, 100).replace(/\0.*/s, '')).toBe('./');
    const { status, body } = await api.get(`/containers/${id}/archive?path=/etc/passwd/`);
    expect({ status, body }).toEqual({
      status: 500,
      body: { message: 'lstat /etc/passwd/: not a directory' },
    });
  });

  it('fills an empty directory of a volume with what the image has', async () => {
    const name = freshName('subpath');
    const mount = { Type: 'volume', Source: name, Target: '/volume' };
    const { id: first } = await runContainer({ cmd: ['mkdir', '/volume/part'], host: { Mounts: [mount] } });
    keep(first);
    const { id, stdout } = await runContainer({
      cmd: ['cat', '/data/seed'],
      host: { Mounts: [{ ...mount, Target: '/data', VolumeOptions: { Subpath: 'part' } }] },
    });
    await Promise.all([first, id].map(removeContainer));
    await api.delete(`/volumes/${name}`);
    expect(stdout).toBe('image-content\n');
  });
});
