import { readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
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
    [{ HostConfig: { CpusetCpus: '0,,' } }, 'Invalid value 0,, for cpuset cpus: invalid format: 0,,'],
    [{ HostConfig: { CpuShares: -1 } }, 'invalid CPU shares (-1): value must be a positive integer'],
  ])('refuses a container of %j', async (fields, message) => {
    const { status, body } = await api.post('/containers/create', { Image: 'busybox', ...fields });
    expect({ status, body }).toEqual({ status: 400, body: { message } });
  });

  it('refuses a container on its own network', async () => {
    const name = freshName('self');
    const fields = { Image: 'busybox', HostConfig: { NetworkMode: `container:${name}` } };
    const { body } = await api.post(`/containers/create?name=${name}`, fields);
    expect(body).toEqual({ message: 'cannot join own network namespace' });
  });

  it('counts no address of a container that is gone', async () => {
    const name = freshName('net');
    const IPAM = { Config: [{ Subnet: '10.157.3.0/31' }] };
    const Options = { 'com.docker.network.bridge.inhibit_ipv4': 'true' };
    await api.post('/networks/create', { Name: name, Internal: true, IPAM, Options });
    const status = async () =>
      (await api.get<{ Status: { IPAM: { Subnets: object } } }>(`/networks/${name}`)).body.Status.IPAM
        .Subnets;
    // Both addresses are for containers: the bridge has none.
    const free = { '10.157.3.0/31': { IPsInUse: 0, DynamicIPsAvailable: 2 } };
    expect(await status()).toEqual(free);
    const ids = [
      await startContainer({ host: { NetworkMode: name } }),
      await startContainer({ host: { NetworkMode: name } }),
    ];
    expect(await status()).toEqual({ '10.157.3.0/31': { IPsInUse: 2, DynamicIPsAvailable: 0 } });
    await Promise.all(ids.map(removeContainer));
    await eventually(async () => expect(await status()).toEqual(free));
    expect((await api.delete(`/networks/${name}`)).status).toBe(204);
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

  it('forgets an exec that nobody started when its container ends', async () => {
    const id = keep(await startContainer({}));
    const { body } = await api.post<{ Id: string }>(`/containers/${id}/exec`, { Cmd: ['true'] });
    await api.post(`/containers/${id}/restart?t=0`);
    const started = await api.post(`/exec/${body.Id}/start`, { Detach: true });
    expect(started).toMatchObject({ status: 404, body: { message: `No such exec instance: ${body.Id}` } });
  });

  it('names the container that has an image mounted', async () => {
    const source = keep(await createContainer({}));
    const image = freshName('mounted');
    await api.post(`/commit?container=${source}&repo=${image}`);
    const id = await createContainer({ host: { Mounts: [{ Type: 'image', Source: image, Target: '/m' }] } });
    const { status, text } = await api.delete(`/images/${image}`);
    await removeContainer(id);
    expect((await api.delete(`/images/${image}`)).status).toBe(200);
    expect(status).toBe(409);
    expect(text).toContain(`container ${id.slice(0, 12)} is using its referenced image`);
  });

  it('creates a container of an empty command, which does not start', async () => {
    const id = keep(await createContainer({ cmd: [''] }));
    const { status, body } = await api.post<{ message: string }>(`/containers/${id}/start`);
    expect(status).toBe(400);
    expect(body.message).toContain('unable to start container process: exec: ');
  });

  it('gives a container its cgroups to write where it may', async () => {
    const access = async (SecurityOpt: string[]) => {
      const { id, stdout } = await runContainer({ cmd: ['mount'], host: { SecurityOpt } });
      keep(id);
      const lines = stdout.split('\n').filter((line) => / type cgroup2? /.test(line));
      return [...new Set(lines.map((line) => /\((r[ow]),/.exec(line)?.[1]))];
    };
    expect(await access(['writable-cgroups'])).toEqual(['rw']);
    expect(await access(['writable-cgroups=false'])).toEqual(['ro']);
  });

  it('has the working directory before the first start: builds are copied into it', async () => {
    const id = keep(await createContainer({ config: { WorkingDir: '/work/here' } }));
    expect((await api.put(`/containers/${id}/archive?path=/work/here`, Buffer.alloc(1024))).status).toBe(200);
  });

  it('removes a volume whose directory somebody has taken away', async () => {
    const name = freshName('gone');
    const { body } = await api.post<{ Mountpoint: string }>('/volumes/create', { Name: name });
    rmSync(dirname(body.Mountpoint), { recursive: true });
    expect((await api.delete(`/volumes/${name}?force=1`)).status).toBe(204);
    expect((await api.get(`/volumes/${name}`)).status).toBe(404);
  });

  it('finds containers by what they bind', async () => {
    const id = keep(await createContainer({ host: { Binds: ['/etc/hostname:/bound'] } }));
    const filters = encodeURIComponent(JSON.stringify({ volume: ['/etc/hostname'] }));
    const { body } = await api.get<{ Id: string }[]>(`/containers/json?all=1&filters=${filters}`);
    expect(body.map(({ Id }) => Id)).toContain(id);
  });

  it('links by the hostname too, and not to a container in the network of the host', async () => {
    const target = keep(await startContainer({ config: { Hostname: 'fred' } }));
    const { id, stdout } = await runContainer({
      cmd: ['grep', 'fred', '/etc/hosts'],
      host: { Links: [`${target}:other`] },
    });
    keep(id);
    expect(stdout).toContain('other fred');
    const onHost = keep(await createContainer({ host: { NetworkMode: 'host' } }));
    await expect(createContainer({ host: { Links: [`${onHost}:other`] } })).rejects.toThrow(
      "host type networking can't be used with links. This would result in undefined behavior",
    );
  });

  it('shares a network that is shared already', async () => {
    const first = keep(await startContainer({}));
    const second = keep(await startContainer({ host: { NetworkMode: `container:${first}` } }));
    const { id, stdout } = await runContainer({
      cmd: ['cat', '/etc/hostname'],
      host: { NetworkMode: `container:${second}` },
    });
    keep(id);
    expect(stdout).toBe(`${first.slice(0, 12)}\n`);
  });

  it.each([
    [
      { Binds: ['/etc/hostname:/proc/made-up'] },
      '"/proc/made-up" cannot be mounted because it is inside /proc',
    ],
    [{ Binds: ['/etc:/proc'] }, '"/proc" cannot be mounted because it is not of type proc'],
    [
      { Devices: [{ PathOnHost: '/etc', PathInContainer: '/etc', CgroupPermissions: 'rwm' }] },
      'adding custom device "/etc": not a device node',
    ],
  ])('does not start with %j', async (host, message) => {
    const id = keep(await createContainer({ host }));
    const { status, body } = await api.post<{ message: string }>(`/containers/${id}/start`);
    expect(status).toBe(500);
    expect(body.message).toContain(message);
  });

  it('may replace a file of /proc that lxcfs replaces, and has a HOME where it is set to nothing', async () => {
    const { id, stdout } = await runContainer({
      cmd: ['sh', '-c', 'cat /proc/uptime; echo $HOME'],
      config: { Env: ['HOME='] },
      host: { Binds: ['/etc/passwd:/proc/uptime'] },
    });
    keep(id);
    expect(stdout).toBe(`${readFileSync('/etc/passwd', 'utf8')}/root\n`);
  });

  it('does not ask for a container before it has looked at what contradicts its network', async () => {
    const { body } = await api.post('/containers/create', {
      Image: 'busybox',
      HostConfig: { NetworkMode: 'container:nonesuch', Dns: ['1.1.1.1'] },
    });
    expect(body).toEqual({ message: 'conflicting options: dns and the network mode' });
    expect((await api.delete('/images/%20')).body).toEqual({ message: 'image name cannot be blank' });
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
