import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { once } from 'node:events';
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

describe('volumes', () => {
  it('keeps data beyond the container', async () => {
    const name = freshName('data');
    const first = await runContainer({
      cmd: ['sh', '-c', 'echo keep >/d/f'],
      host: { Binds: [`${name}:/d`] },
    });
    await removeContainer(first.id);
    const second = await runContainer({ cmd: ['cat', '/x/f'], host: { Binds: [`${name}:/x`] } });
    expect(second.stdout).toBe('keep\n');
    const refused = await api.delete<{ message: string }>(`/volumes/${name}`);
    expect(refused).toMatchObject({ status: 409 });
    expect(refused.body.message).toContain('volume is in use');
    await removeContainer(second.id);
    expect((await api.delete(`/volumes/${name}`)).status).toBe(204);
    expect((await api.get(`/volumes/${name}`)).status).toBe(404);
  });

  it('copies what the image has into an empty volume', async () => {
    const name = freshName('copyup');
    const ran = await runContainer({ cmd: ['cat', '/data/seed'], host: { Binds: [`${name}:/data`] } });
    await removeContainer(ran.id);
    const other = await runContainer({ cmd: ['cat', '/other/seed'], host: { Binds: [`${name}:/other`] } });
    await removeContainer(other.id);
    expect([ran.stdout, other.stdout]).toEqual(['image-content\n', 'image-content\n']);
    await api.delete(`/volumes/${name}`);
  });

  it('takes anonymous volumes away with v=1', async () => {
    const id = await createContainer({ config: { Volumes: { '/anon': {} } } });
    const volume = (await inspect(id)).Mounts[0]?.Name ?? '';
    expect(volume).toMatch(/^[0-9a-f]{64}$/);
    await api.delete(`/containers/${id}?v=1`);
    expect((await api.get(`/volumes/${volume}`)).status).toBe(404);
  });

  it('mounts what the options say while a container runs', async () => {
    const name = freshName('tmpfs');
    const options = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=1500' };
    const created = await api.post<{ Mountpoint: string }>('/volumes/create', {
      Name: name,
      DriverOpts: options,
    });
    expect(created.status).toBe(201);
    const isMounted = () =>
      readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${created.body.Mountpoint} `);
    const id = await startContainer({ host: { Binds: [`${name}:/d`] } });
    expect(isMounted()).toBe(true);
    const ran = await runContainer({
      cmd: ['sh', '-c', 'grep " /d tmpfs" /proc/mounts; stat -c %u /d'],
      host: { Binds: [`${name}:/d`] },
    });
    expect(ran.stdout).toMatch(/size=1024k[^]*\n1500\n$/);
    expect(isMounted()).toBe(true);
    for (const each of [id, ran.id]) await removeContainer(each);
    await eventually(() => expect(isMounted()).toBe(false));
    expect((await api.delete(`/volumes/${name}`)).status).toBe(204);
  });

  it.each([
    ['ro', 'touch /d/x 2>&1', 'Read-only file system'],
    ['nocopy', 'ls /d | wc -l', '0'],
  ])('a volume with %s', async (mode, command, expected) => {
    const name = freshName('mode');
    const ran = await runContainer({ cmd: ['sh', '-c', command], host: { Binds: [`${name}:/d:${mode}`] } });
    await removeContainer(ran.id);
    expect(ran.stdout).toContain(expected);
    await api.delete(`/volumes/${name}`);
  });

  it.each([
    [
      'an unknown driver',
      { Driver: 'nodriver' },
      404,
      'error looking up volume plugin nodriver: plugin "nodriver" not found',
    ],
    ['an unknown option', { DriverOpts: { colour: 'red' } }, 400, 'invalid option: "colour"'],
    ['one character', { Name: 'x' }, 400, 'volume name is too short'],
  ])('refuses %s', async (_, config, status, message) => {
    const answer = await api.post<{ message: string }>('/volumes/create', {
      Name: freshName('bad'),
      ...config,
    });
    expect(answer.status).toBe(status);
    expect(answer.body.message).toContain(message);
  });

  it('lists by filter and prunes what nobody named', async () => {
    const label = freshName('label');
    const create = async (Name: string) =>
      (await api.post<{ Name: string }>('/volumes/create', { Name, Labels: { [label]: '' } })).body.Name;
    const named = await create(freshName('named'));
    const anonymous = await create('');
    const query = (filters: object) => encodeURIComponent(JSON.stringify({ label: [label], ...filters }));
    const list = await api.get<{ Volumes: { Name: string }[] }>(
      `/volumes?filters=${query({ dangling: ['true'] })}`,
    );
    expect(list.body.Volumes.map(({ Name }) => Name).sort()).toEqual([named, anonymous].sort());
    const prune = async (filters: object) =>
      (await api.post<{ VolumesDeleted: string[] }>(`/volumes/prune?filters=${query(filters)}`)).body
        .VolumesDeleted;
    expect(await prune({})).toEqual([anonymous]);
    expect(await prune({ all: ['true'] })).toEqual([named]);
  });

  it('refuses a name with a path in it', async () => {
    expect((await api.post('/volumes/create', { Name: '../x' })).status).toBe(400);
  });
});

describe('networks', () => {
  const made: string[] = [];
  afterAll(async () => {
    for (const id of made) await removeContainer(id);
  });
  const server = 'echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp';

  it('has the three predefined networks', async () => {
    const { body } = await api.get<{ Name: string }[]>('/networks');
    expect(body.map(({ Name }) => Name)).toEqual(expect.arrayContaining(['bridge', 'host', 'none']));
    expect((await api.delete('/networks/bridge')).status).toBe(403);
  });

  it('publishes a port on loopback and frees it', async () => {
    const id = await startContainer({
      cmd: ['sh', '-c', server],
      config: { ExposedPorts: { '80/tcp': {} } },
      host: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } },
    });
    made.push(id);
    const port = (await inspect(id)).NetworkSettings.Ports['80/tcp']?.[0]?.HostPort ?? '';
    expect(port).toMatch(/^\d+$/);
    expect(await eventually(() => fetchText(`http://127.0.0.1:${port}/`))).toBe('hello\n');
    const taken = await createContainer({
      host: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: port }] } },
    });
    made.push(taken);
    const refused = await api.post<{ message: string }>(`/containers/${taken}/start`);
    expect(refused.status).toBe(500);
    expect(refused.body.message).toContain(`Bind for 127.0.0.1:${port} failed: port is already allocated`);
    await removeContainer(id);
    expect((await api.post(`/containers/${taken}/start`)).status).toBe(204);
  });

  it('sees a port that a process of the host has', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as { port: number };
    const id = await createContainer({
      host: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: `${port}` }] } },
    });
    made.push(id);
    const refused = await api.post<{ message: string }>(`/containers/${id}/start`);
    listener.close();
    expect(refused.status).toBe(500);
    expect(refused.body.message).toContain('address already in use');
  });

  it('lets containers of the bridge reach each other', async () => {
    const id = await startContainer({ cmd: ['sh', '-c', server] });
    made.push(id);
    const address = (await inspect(id)).NetworkSettings.Networks['bridge']?.IPAddress;
    const ran = await eventually(async () => {
      const client = await runContainer({ cmd: ['timeout', '5', 'wget', '-qO-', `http://${address}/`] });
      made.push(client.id);
      expect(client.code).toBe(0);
      return client;
    });
    expect(ran.stdout).toBe('hello\n');
  });

  it.each([
    ['none', 'ls /sys/class/net', 'lo\n'],
    ['host', 'ls /sys/class/net | grep -c "^eth0$\\|^lo$"', '2\n'],
  ])('network %s', async (mode, command, expected) => {
    const ran = await runContainer({ cmd: ['sh', '-c', command], host: { NetworkMode: mode } });
    made.push(ran.id);
    if (mode === 'none') expect(ran.stdout).toBe(expected);
    else expect(ran.stdout.trim()).not.toBe('0');
  });

  it('gives a container with NetworkDisabled none', async () => {
    const ran = await runContainer({ cmd: ['ls', '/sys/class/net'], config: { NetworkDisabled: true } });
    made.push(ran.id);
    expect(ran.stdout).toBe('lo\n');
  });

  it('shares the network of another container', async () => {
    const id = await startContainer({ cmd: ['sh', '-c', server] });
    made.push(id);
    await eventually(async () => {
      const ran = await runContainer({
        cmd: ['wget', '-qO-', 'http://127.0.0.1/'],
        host: { NetworkMode: `container:${id}` },
      });
      made.push(ran.id);
      expect(ran.stdout).toBe('hello\n');
    });
  });
});

function fetchText(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { timeout: 2_000 }, (incoming) => {
      let text = '';
      incoming.on('data', (part: Buffer) => (text += part.toString()));
      incoming.once('end', () => resolve(text));
    }).once('error', reject);
  });
}
