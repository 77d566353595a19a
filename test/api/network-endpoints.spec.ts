import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { SandboxServiceService, type SandboxServiceServer } from '@gantry/proto/network';
import { type Client, ServiceChannel, toJson } from '@gantry/shared/grpc';
import { api, docker, instance } from '../support/engine';
import { createContainer, freshName, inspect, removeContainer } from '../support/containers';

/* What connect and disconnect answer, in the words and with the codes of dockerd. */

const containers: string[] = [];
const networks: string[] = [];

async function network(config: object = {}): Promise<string> {
  const Name = freshName('net');
  networks.push(Name);
  expect(await api.post('/networks/create', { Name, ...config })).toMatchObject({ status: 201 });
  return Name;
}

async function container(
  NetworkMode: string,
  state: 'created' | 'running',
  more: object = {},
): Promise<string> {
  const name = freshName('on');
  const id = await createContainer({ name, cmd: ['sleep', '300'], host: { NetworkMode }, ...more });
  containers.push(id);
  if (state === 'running') await api.post(`/containers/${id}/start`);
  return id;
}

/** Status and message. */
async function change(
  what: 'connect' | 'disconnect',
  name: string,
  Container: string,
  more: object = {},
): Promise<[number, string]> {
  const { status, body } = await api.post<{ message?: string }>(`/networks/${name}/${what}`, {
    Container,
    ...more,
  });
  return [status, body?.message ?? ''];
}

const networksOf = async (id: string): Promise<string[]> =>
  Object.keys((await inspect(id)).NetworkSettings.Networks);

afterAll(async () => {
  await Promise.all(containers.map((id) => removeContainer(id)));
  for (const name of networks) await api.delete(`/networks/${name}`);
});

describe.each(['created', 'running'] as const)('a container that is %s', (state) => {
  let home: string;
  let id: string;
  beforeAll(async () => {
    home = await network({
      IPAM: { Config: [{ Subnet: state === 'created' ? '10.154.0.0/24' : '10.154.1.0/24' }] },
    });
    id = await container(home, state);
  });

  it('is not taken off a network that it is not on', async () => {
    const other = await network();
    const which = state === 'running' ? 'network' : 'the network';
    expect(await change('disconnect', other, id)).toEqual([
      500,
      `container ${id} is not connected to ${which} ${other}`,
    ]);
    expect(await change('disconnect', 'nowhere', id, { Force: true })).toEqual([
      500,
      `container ${id} is not connected to the network nowhere`,
    ]);
  });

  it('has its own network namespace or the one of the host', async () => {
    expect(await change('connect', 'host', id)).toEqual([
      400,
      'cannot connect container to host network - container must be created in host network mode',
    ]);
    expect(await change('connect', 'none', id)).toEqual([
      400,
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    ]);
  });

  it('has addresses that its networks can give', async () => {
    const at = (IPv4Address: string) => ({ EndpointConfig: { IPAMConfig: { IPv4Address } } });
    // Of a subnet that nobody asked for, too.
    const unplanned = await network();
    const { body } = await api.get<{ IPAM: { Config: { Gateway: string }[] } }>(`/networks/${unplanned}`);
    const address = `${body.IPAM.Config[0]?.Gateway}`.replace(/\.1$/, '.77');
    expect((await change('connect', unplanned, id, at(address)))[0]).toBe(200);
    expect((await change('disconnect', unplanned, id))[0]).toBe(200);
    await api.delete(`/networks/${unplanned}`);
    const planned = await network({ IPAM: { Config: [{ Subnet: '10.154.2.0/24' }] } });
    expect(await change('connect', planned, id, at('10.154.3.9'))).toEqual([
      400,
      'invalid endpoint settings:\nno configured subnet contains IP address 10.154.3.9',
    ]);
    await api.delete(`/networks/${planned}`);
    expect(await networksOf(id)).toEqual([home]);
  });

  it('of no network can be taken out of there and put on one', async () => {
    const lone = await container('none', state);
    expect(await networksOf(lone)).toEqual(['none']);
    expect((await change('connect', home, lone))[0]).toBe(400);
    expect(await change('disconnect', 'none', lone)).toEqual([200, '']);
    expect(await change('connect', home, lone)).toEqual([200, '']);
    expect(await networksOf(lone)).toEqual([home]);
    await api.post(`/containers/${lone}/restart?t=0`);
    expect((await inspect(lone)).NetworkSettings.Networks[home]?.IPAddress).toMatch(/^10\.154\./);
  });
});

it('of the host stays there', async () => {
  const id = await container('host', 'running');
  expect(await networksOf(id)).toEqual(['host']);
  expect(await change('connect', await network(), id)).toEqual([
    400,
    'container sharing network namespace with another container or host cannot be connected to any other network',
  ]);
  expect(await change('disconnect', 'host', id)).toEqual([
    400,
    'cannot disconnect container from host network - container was created in host network mode',
  ]);
});

it.each([
  [
    { NetworkMode: 'bridge' },
    { IPAMConfig: { IPv4Address: '172.17.0.9' } },
    'user specified IP address is supported on user defined networks only',
  ],
  [
    { NetworkMode: 'bridge' },
    { Aliases: ['x'] },
    'network-scoped alias is supported only for containers in user defined networks',
  ],
])('a container with %j and %j is not created', async (HostConfig, settings, message) => {
  const { status, body } = await api.post<{ message: string }>('/containers/create', {
    Image: 'busybox',
    HostConfig,
    NetworkingConfig: { EndpointsConfig: { bridge: settings } },
  });
  expect([status, body.message]).toEqual([
    400,
    `invalid config for network bridge: invalid endpoint settings:\n${message}`,
  ]);
});

it.each([
  ['80/tcp', 'bad', 'bad'],
  ['80/tcp', '70000', '70000'],
  ['80/tcp', '90-80', '90-80'],
])('a container that publishes %s at %s is not created', async (port, HostPort, complaint) => {
  const { status, body } = await api.post<{ message: string }>('/containers/create', {
    Image: 'busybox',
    HostConfig: { PortBindings: { [port]: [{ HostPort }] } },
  });
  expect([status, body.message]).toEqual([400, `invalid port specification: "${complaint}"`]);
});

describe('disconnect by force, of a container that nobody knows', () => {
  it('finds no endpoint where there is none', async () => {
    expect(await change('disconnect', await network(), 'nosuch', { Force: true })).toEqual([
      404,
      'endpoint nosuch not found',
    ]);
    expect(await change('disconnect', 'nowhere', 'nosuch', { Force: true })).toEqual([
      404,
      'network nowhere not found',
    ]);
  });

  it('takes the endpoint away that it has left', async () => {
    const name = await network();
    const channel = new ServiceChannel('network-service', `unix://${join(instance.runDir, 'network.sock')}`);
    const sandboxes: Client<SandboxServiceServer> = channel.client(SandboxServiceService);
    const lost = randomBytes(32).toString('hex');
    await sandboxes.attach({
      containerId: lost,
      containerName: 'lost',
      hostname: '',
      domainname: '',
      endpoints: [{ network: name, settings: toJson({}).json }],
      portBindings: toJson({}).json,
      exposedPorts: toJson({}).json,
      publishAllPorts: false,
      mode: 'bridge',
      dns: [],
      dnsSearch: [],
      dnsOptions: [],
      extraHosts: [],
      links: [],
      owner: '',
    });
    expect((await api.delete(`/networks/${name}`)).status).toBe(403);
    expect(await change('disconnect', name, 'lost', { Force: true })).toEqual([200, '']);
    expect((await api.delete(`/networks/${name}`)).status).toBe(204);
    const { sandboxes: left } = await sandboxes.list({});
    expect(left.map(({ containerId }) => containerId)).not.toContain(lost);
    channel.close();
  });
});

it('a network is inspected in its scope only', async () => {
  const name = await network();
  expect((await api.get(`/networks/${name}?scope=local`)).status).toBe(200);
  expect((await api.get(`/networks/${name}?scope=swarm`)).status).toBe(404);
  expect((await api.get<{ message: string }>(`/networks/${name}?verbose=perhaps`)).body.message).toBe(
    'invalid value for verbose: perhaps: strconv.ParseBool: parsing "perhaps": invalid syntax',
  );
});

/* dockerd gives the lowest free address: a container that is started again has the one that it had. */
it.each(['bridge', 'one of the user’s'])(
  'started again, a container has its address again: %s',
  async (kind) => {
    const name = kind === 'bridge' ? kind : await network();
    const ids = [await container(name, 'running'), await container(name, 'running')];
    const addressOf = async (id: string) =>
      (await inspect(id)).NetworkSettings.Networks[name]?.IPAddress ?? '';
    const before = await Promise.all(ids.map(addressOf));
    expect(before[0]).toMatch(/^\d+\./);
    for (const id of ids) await api.post(`/containers/${id}/restart?t=0`);
    expect(await Promise.all(ids.map(addressOf))).toEqual(before);
    await api.post(`/containers/${ids[0]}/stop?t=0`);
    const other = await container(name, 'running');
    await api.post(`/containers/${ids[0]}/start`);
    expect(await Promise.all(ids.map(addressOf))).toEqual(before);
    if (kind !== 'bridge') {
      await change('disconnect', name, ids[0] ?? '');
      await change('connect', name, ids[0] ?? '');
      expect(await addressOf(ids[0] ?? '')).toBe(before[0]);
    }
    const { stdout, code } = await docker(['exec', other, 'ping', '-c', '1', '-W', '5', before[0] ?? '']);
    expect([code, stdout]).toEqual([0, expect.stringContaining(' 0% packet loss')]);
  },
);
