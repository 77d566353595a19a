import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import packet from 'dns-packet';
import { createContainer, freshName, inspect, removeContainer, startContainer } from '../support/containers';
import { api, docker, killService } from '../support/engine';
import { eventually } from '../support/eventually';

const containers: string[] = [];
const networks: string[] = [];

async function network(config: object = {}): Promise<string> {
  const name = freshName('dns');
  networks.push(name);
  await api.post('/networks/create', { Name: name, ...config });
  return name;
}

async function start(
  network: string,
  host: object = {},
  aliases: string[] = [],
): Promise<{ id: string; name: string }> {
  const name = freshName('c');
  const id = await createContainer({
    name,
    // Nobody outside is asked, unless a test says whom.
    host: { NetworkMode: network, Dns: ['127.0.0.1'], ...host },
    config: { NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: aliases } } } },
  });
  containers.push(id);
  await api.post(`/containers/${id}/start`);
  return { id, name };
}

/** The addresses that a container finds for a name, in their order; or why there are none. */
async function lookUp(id: string, name: string, type = 'a'): Promise<string[]> {
  const { stdout } = await docker([
    'exec',
    id,
    'nslookup',
    ...(type === 'ptr' ? [] : [`-type=${type}`]),
    name,
  ]);
  const answer = stdout.slice(stdout.indexOf('\n\n'));
  if (type === 'ptr') return [...answer.matchAll(/name = (\S+)/g)].map(([, found = '']) => found);
  const found = [...answer.matchAll(/^Address: (\S+)$/gm)].map(([, address = '']) => address);
  return found.length > 0 ? found : (/NXDOMAIN|SERVFAIL/.exec(stdout)?.slice(0, 1) ?? []);
}

const addressOf = async (id: string, network: string): Promise<string> =>
  (await inspect(id)).NetworkSettings.Networks[network]?.IPAddress ?? '';

afterAll(async () => {
  await Promise.all(containers.map((id) => removeContainer(id)));
  for (const name of networks) await api.delete(`/networks/${name}`);
});

describe('names on a network', () => {
  let net: string;
  let one: { id: string; name: string };
  let two: { id: string; name: string };
  let address: string;

  beforeAll(async () => {
    net = await network({ EnableIPv6: true });
    one = await start(net, {}, ['shared', 'One-Alias']);
    two = await start(net, {}, ['shared']);
    address = await addressOf(one.id, net);
  });

  it('are those of the container, its id, its aliases, with and without the network', async () => {
    for (const name of [one.name, one.id.slice(0, 12), 'one-alias', `${one.name}.${net}`]) {
      expect(await lookUp(two.id, name)).toEqual([address]);
    }
  });

  it('have IPv6 addresses too, and addresses have names', async () => {
    const [six = ''] = await lookUp(two.id, one.name, 'aaaa');
    expect(six).toMatch(/^fd/);
    expect(await lookUp(two.id, address, 'ptr')).toEqual([`${one.name}.${net}`]);
  });

  it('that several share lead to all of them, in turns', async () => {
    const both = [address, await addressOf(two.id, net)].sort();
    const seen = new Set<string>();
    await eventually(async () => {
      const found = await lookUp(two.id, 'shared');
      expect([...found].sort()).toEqual(both);
      seen.add(found[0] ?? '');
      expect(seen.size).toBe(2);
    });
  });

  it('come with connect and go with disconnect, and mean nothing on other networks', async () => {
    const elsewhere = await network();
    const stranger = await start(elsewhere);
    expect(await lookUp(stranger.id, `${one.name}.${net}`)).not.toContain(address);
    await docker(['network', 'connect', '--alias', 'guest', elsewhere, one.id]);
    expect(await lookUp(stranger.id, 'guest')).toEqual([await addressOf(one.id, elsewhere)]);
    await docker(['network', 'disconnect', elsewhere, one.id]);
    expect(await lookUp(stranger.id, 'guest')).not.toContain(address);
  });

  it('change when the container is renamed', async () => {
    const name = freshName('renamed');
    await docker(['rename', two.id, name]);
    expect(await lookUp(one.id, name)).toEqual([await addressOf(two.id, net)]);
    expect(await lookUp(one.id, two.name)).not.toContain(await addressOf(two.id, net));
  });

  it('are right again when network-service was killed', async () => {
    await killService('network');
    expect(await lookUp(one.id, 'one-alias')).toEqual([address]);
  });
});

it('knows nobody outside of an internal network', async () => {
  const { id, name } = await start(await network({ Internal: true }));
  expect(await lookUp(id, name)).toHaveLength(1);
  expect(await lookUp(id, 'example.com')).toEqual(['NXDOMAIN']);
});

describe('with servers of its own', () => {
  let server: Socket;
  let asked: string[];
  let id: string;

  beforeAll(async () => {
    const net = await network();
    const { body } = await api.get<{ IPAM: { Config: { Gateway: string }[] } }>(`/networks/${net}`);
    const gateway = body.IPAM.Config[0]?.Gateway ?? '';
    asked = [];
    server = createSocket('udp4', (message, from) => {
      const { id: query, questions } = packet.decode(message);
      const name = questions?.[0]?.name ?? '';
      asked.push(name);
      const known = name.startsWith('outside');
      const bytes = packet.encode({
        type: 'response',
        id: query,
        flags: known ? 0 : 3,
        questions,
        answers: known ? [{ type: 'A', name, ttl: 5, data: '192.0.2.7' }] : [],
      });
      server.send(bytes, from.port, from.address);
    });
    server.bind(53, gateway);
    await once(server, 'listening');
    // The first of them is silent.
    const host = { Dns: ['192.0.2.254', gateway], DnsSearch: ['in.test'], DnsOptions: ['ndots:1'] };
    id = (await start(net, host)).id;
  });

  afterAll(() => server.close());

  it('asks them from the network of the container, whichever of them answers', async () => {
    expect(await lookUp(id, 'outside.test')).toEqual(['192.0.2.7']);
    expect(await lookUp(id, 'nowhere.test')).toEqual(['NXDOMAIN']);
  });

  it('has answers while another container asks without end', async () => {
    const net = await network();
    const { body } = await api.get<{ IPAM: { Config: { Gateway: string }[] } }>(`/networks/${net}`);
    const gateway = body.IPAM.Config[0]?.Gateway ?? '';
    const silent = createSocket('udp4').bind(53, gateway);
    await once(silent, 'listening');
    const flooder = await start(net, { Dns: [gateway] });
    const questions = Array.from({ length: 2_000 }, (_, count) =>
      packet
        .encode({ type: 'query', id: count, questions: [{ name: `${count}.flood.test`, type: 'A' }] })
        .toString('base64'),
    );
    // Slowly enough for the socket's buffer to take them all.
    const program = `
      const socket = require('node:dgram').createSocket('udp4').on('error', () => {});
      const questions = require('node:fs').readFileSync(0, 'utf8').split(' ');
      const timer = setInterval(() => {
        for (const each of questions.splice(0, 40)) socket.send(Buffer.from(each, 'base64'), 53, '127.0.0.11');
        if (questions.length > 0) return;
        clearInterval(timer);
        socket.close();
      }, 5);`;
    const { Pid } = (await inspect(flooder.id)).State;
    execFileSync('nsenter', [`--net=/proc/${Pid}/ns/net`, process.execPath, '-e', program], {
      input: questions.join(' '),
    });
    expect(await lookUp(id, 'outside.more.test')).toEqual(['192.0.2.7']);
    silent.close();
  });

  it('has short names completed, and does not ask for them as they are', async () => {
    const { stdout } = await docker(['exec', id, 'cat', '/etc/resolv.conf']);
    expect(stdout).toBe('nameserver 127.0.0.11\nsearch in.test\noptions ndots:1\n');
    expect(await lookUp(id, 'outside')).toEqual(['192.0.2.7']);
    expect(asked).toContain('outside.in.test');
    expect(asked).not.toContain('outside');
  });
});

describe('/etc/hosts and resolv.conf', () => {
  const read = async (id: string, file: string) => (await docker(['exec', id, 'cat', `/etc/${file}`])).stdout;

  it('say what the container was told', async () => {
    const net = await network();
    const id = await startContainer({
      config: { Hostname: 'web', Domainname: 'ex.test' },
      host: { NetworkMode: net, ExtraHosts: ['up:host-gateway', 'six:fd00::9', 'db:10.1.1.1'] },
    });
    containers.push(id);
    const { body } = await api.get<{ IPAM: { Config: { Gateway: string }[] } }>('/networks/bridge');
    const lines = (await read(id, 'hosts')).split('\n').slice(6);
    expect(lines).toEqual([
      `${body.IPAM.Config[0]?.Gateway}\tup`,
      'fd00::9\tsix',
      '10.1.1.1\tdb',
      `${await addressOf(id, net)}\tweb.ex.test web`,
      '',
    ]);
    expect(await read(id, 'hostname')).toBe('web\n');
  });

  it('follow connect and disconnect, and keep what the container has written', async () => {
    const net = await network();
    const id = await startContainer({ config: { Hostname: 'web' } });
    containers.push(id);
    const own = await addressOf(id, 'bridge');
    await docker(['exec', id, 'sh', '-c', 'echo 10.9.9.9 mine >>/etc/hosts']);
    await docker(['network', 'connect', net, id]);
    const added = await addressOf(id, net);
    const tail = async () => (await read(id, 'hosts')).split('\n').slice(6, -1);
    expect(await tail()).toEqual([`${own}\tweb`, '10.9.9.9 mine', `${added}\tweb`]);
    expect(await read(id, 'resolv.conf')).toContain('nameserver 127.0.0.11\n');
    await docker(['exec', id, 'sh', '-c', 'echo nameserver 192.0.2.1 >/etc/resolv.conf']);
    await docker(['network', 'disconnect', 'bridge', id]);
    expect(await tail()).toEqual(['10.9.9.9 mine', `${added}\tweb`]);
    expect(await read(id, 'resolv.conf')).toBe('nameserver 192.0.2.1\n');
  });
});
