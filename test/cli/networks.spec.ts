import { execFileSync } from 'node:child_process';
import { api, docker } from '../support/engine';
import { freshName } from '../support/containers';
import { eventually } from '../support/eventually';

/* What is said about the inside of a container is seen from inside it. */

const networks: string[] = [];
const containers: string[] = [];
afterAll(async () => {
  await docker(['rm', '-fv', ...containers]);
  for (const name of networks) await docker(['network', 'rm', name]);
});

/** The output of a command that has to succeed. */
async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await docker(args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

const failure = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await docker(args);
  expect(code).not.toBe(0);
  return stderr.trim();
};

async function network(...options: string[]): Promise<string> {
  const name = freshName('net');
  await ok('network', 'create', ...options, name);
  networks.push(name);
  return name;
}

async function container(...options: string[]): Promise<string> {
  const name = freshName('on');
  containers.push(name);
  await ok('run', '-d', '--name', name, ...options, 'busybox', 'sleep', '300');
  return name;
}

const inside = (name: string, command: string): Promise<string> => ok('exec', name, 'sh', '-c', command);

/** Whether a ping from inside a container is answered. */
const reaches = async (from: string, target: string): Promise<boolean> =>
  (await docker(['exec', from, 'ping', '-c', '1', '-W', '1', target])).code === 0;

const addressOf = (name: string, on: string, field = 'IPAddress'): Promise<string> =>
  ok('inspect', '-f', `{{(index .NetworkSettings.Networks "${on}").${field}}}`, name);

describe('bridge networks', () => {
  it('connect their containers by name, and keep apart those of others, until they are connected', async () => {
    const [a, b] = [await network(), await network()];
    const [one, two, other] = [
      await container('--network', a),
      await container('--network', `name=${a},alias=second`),
      await container('--network', b),
    ];
    for (const name of [two, 'second', `${two}.${a}`]) expect(await reaches(one, name)).toBe(true);
    const address = await addressOf(one, a);
    const reached = (...pairs: [string, string][]) => Promise.all(pairs.map((pair) => reaches(...pair)));
    expect(await reached([other, address], [other, one])).toEqual([false, false]);
    await ok('network', 'connect', '--alias', 'guest', a, other);
    expect(await reaches(other, one)).toBe(true);
    expect(await reaches(one, 'guest')).toBe(true);
    expect(await inside(other, 'ls /sys/class/net | xargs')).toBe('eth0 eth1 lo');
    await ok('network', 'disconnect', a, other);
    expect(await reached([other, address], [one, 'guest'])).toEqual([false, false]);
    expect(await inside(other, 'ls /sys/class/net | xargs')).toBe('eth0 lo');
  });

  it('give a container the address, MAC, interface name and settings it asks for', async () => {
    const name = await network('--subnet', '10.150.0.0/24', '--ipv6', '--subnet', 'fd00:150::/64');
    const wanted = [
      `name=${name}`,
      'ip=10.150.0.77',
      'ip6=fd00:150::77',
      'mac-address=02:42:0a:00:00:77',
      'link-local-ip=169.254.77.77',
      'driver-opt=com.docker.network.endpoint.ifname=web0',
      'driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1',
    ].join(',');
    const one = await container('--network', wanted);
    expect(await inside(one, 'ip addr show web0')).toMatch(
      /02:42:0a:00:00:77[^]*10\.150\.0\.77\/24[^]*169\.254\.77\.77\/16[^]*fd00:150::77\/64/,
    );
    expect(await inside(one, 'cat /proc/sys/net/ipv4/conf/web0/log_martians')).toBe('1');
    expect(
      await failure('run', '--rm', '--network', name, '--ip', '10.150.0.77', 'busybox', 'true'),
    ).toContain(`Address already in use: 10.150.0.77 on network ${name} is that of container ${one}`);
    expect(
      await failure('run', '--rm', '--network', name, '--ip', '10.151.0.1', 'busybox', 'true'),
    ).toContain('no configured subnet contains IP address 10.151.0.1');
    const two = await container('--network', name);
    for (const target of ['10.150.0.77', 'fd00:150::77', '169.254.77.77']) {
      expect(await reaches(target.startsWith('169') ? one : two, target)).toBe(true);
    }
  });

  it('have a subnet of the size asked for, wherever there is one', async () => {
    const name = await network('--subnet', '0.0.0.0/28', '--ipv6', '--subnet', '::/120');
    const said = await ok('network', 'inspect', '-f', '{{range .IPAM.Config}}{{.Subnet}} {{end}}', name);
    // The CLI sends them in any order.
    const subnets = said.split(' ').sort().join(' ');
    expect(subnets).toMatch(/^1\d+\.\d+\.\d+\.\d+\/28 fd\S+::\/120$/);
    const address = subnets.replace(/\d+\/28.*/, '');
    expect(await addressOf(await container('--network', name), name)).toContain(address);
  });

  it('name interfaces as asked for, the others around them, and none twice', async () => {
    const ifname = 'com.docker.network.endpoint.ifname';
    const [first, second] = [await network(), await network()];
    const one = await container('--network', `name=${first},driver-opt=${ifname}=eth1`, '--network', second);
    const before = await inside(one, 'ls /sys/class/net');
    expect(before.split(/\s+/)).toEqual(['eth0', 'eth1', 'lo']);
    const taken = await failure('network', 'connect', '--driver-opt', `${ifname}=eth0`, 'bridge', one);
    expect(taken).toContain('error renaming interface to "eth0": file exists');
    expect(await inside(one, 'ls /sys/class/net')).toBe(before);
  });

  it('speak IPv6 beside IPv4, or alone', async () => {
    const both = await network('--ipv6');
    const alone = await network('--ipv4=false', '--ipv6');
    const [one, two] = [await container('--network', both), await container('--network', both)];
    const six = await addressOf(two, both, 'GlobalIPv6Address');
    expect(six).toMatch(/^fd/);
    expect(await reaches(one, six)).toBe(true);
    expect(await reaches(one, await addressOf(two, both))).toBe(true);
    expect(await inside(one, 'ip -6 route')).toContain(
      `default via ${await addressOf(one, both, 'IPv6Gateway')} dev eth0`,
    );
    const three = await container('--network', alone);
    expect(await inside(three, 'ip -4 addr show eth0')).toBe('');
    expect(await reaches(three, await addressOf(three, alone, 'IPv6Gateway'))).toBe(true);
    expect(await reaches(three, six)).toBe(false);
    expect(JSON.parse(await ok('network', 'inspect', alone))).toMatchObject([
      {
        EnableIPv4: false,
        EnableIPv6: true,
        Containers: { [await ok('inspect', '-f', '{{.Id}}', three)]: { IPv4Address: '', Name: three } },
      },
    ]);
  });

  it('can be closed: internal, isolated from the host, containers from each other', async () => {
    const internal = await network('--internal');
    const isolated = await network(
      '--internal',
      ...['-o', 'com.docker.network.bridge.gateway_mode_ipv4=isolated'],
    );
    const apart = await network('-o', 'com.docker.network.bridge.enable_icc=false');
    const [a, b, c, d] = [
      await container('--network', internal),
      await container('--network', isolated),
      await container('--network', apart),
      await container('--network', apart),
    ];
    expect(await inside(a, 'ip route')).not.toContain('default');
    const gateway = await ok('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', internal);
    expect(await reaches(a, gateway)).toBe(true);
    expect(await ok('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', isolated)).toBe('');
    expect(execFileSync('ip', ['-4', 'addr', 'show', await bridgeOf(isolated)]).toString()).not.toContain(
      'inet',
    );
    expect(await reaches(b, await addressOf(b, isolated))).toBe(true);
    expect(await reaches(c, await addressOf(d, apart))).toBe(false);
    expect(await reaches(c, await addressOf(c, apart, 'Gateway'))).toBe(true);
  });

  it('can be reached by their containers own addresses, and then only where a port is open', async () => {
    const routed = await network('-o', 'com.docker.network.bridge.gateway_mode_ipv4=routed');
    const one = freshName('on');
    containers.push(one);
    const serve = 'echo hi >/tmp/index.html; httpd -p 81 -h /tmp; exec httpd -f -p 80 -h /tmp';
    await ok('run', '-d', '--name', one, '--network', routed, '-p', '80', 'busybox', 'sh', '-c', serve);
    const other = await container();
    const address = await addressOf(one, routed);
    const fetch = (port: number) =>
      docker(['exec', other, 'timeout', '2', 'wget', '-qO-', `http://${address}:${port}/`]);
    await eventually(async () => expect((await fetch(80)).stdout).toBe('hi\n'));
    expect((await fetch(81)).code).not.toBe(0);
    expect(await ok('inspect', '-f', '{{json .NetworkSettings.Ports}}', one)).toBe(
      '{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":""}]}',
    );
  });

  it('have the bridge name and MTU they are given', async () => {
    const bridge = freshName('b').slice(-12);
    const name = await network(
      ...['-o', `com.docker.network.bridge.name=${bridge}`, '-o', 'com.docker.network.driver.mtu=1400'],
    );
    const one = await container('--network', name);
    expect(await inside(one, 'cat /sys/class/net/eth0/mtu')).toBe('1400');
    expect(await inside(one, `ip link show eth0`)).toContain('mtu 1400');
    const same = ['-o', `com.docker.network.bridge.name=${bridge}`];
    expect(await failure('network', 'create', ...same, freshName('same'))).toContain(
      'networks have same bridge name',
    );
  });
});

it('use a bridge that an operator has made, and leave it to him', async () => {
  const bridge = freshName('op').slice(-12);
  execFileSync('ip', ['link', 'add', bridge, 'type', 'bridge']);
  try {
    const name = freshName('net');
    const options = ['--subnet', '10.158.0.0/24', '-o', `com.docker.network.bridge.name=${bridge}`];
    await ok('network', 'create', ...options, name);
    const one = await container('--network', name);
    expect(await reaches(one, '10.158.0.1')).toBe(true);
    await ok('rm', '-f', one);
    await ok('network', 'rm', name);
    expect(execFileSync('ip', ['-4', 'addr', 'show', bridge]).toString()).not.toContain('10.158.0.1');
  } finally {
    execFileSync('ip', ['link', 'delete', bridge]);
  }
});

describe('macvlan and ipvlan', () => {
  it('macvlan connects containers without a bridge', async () => {
    const name = await network('-d', 'macvlan', '--subnet', '10.152.0.0/24', '--ipv6');
    const [one, two] = [await container('--network', name), await container('--network', name)];
    expect(await inside(one, 'ip route')).not.toContain('default');
    expect(await reaches(one, two)).toBe(true);
    expect(await reaches(one, await addressOf(two, name, 'GlobalIPv6Address'))).toBe(true);
    const elsewhere = await container();
    expect(await reaches(elsewhere, await addressOf(one, name))).toBe(false);
  });

  it.each(['l2', 'l3'])('ipvlan in mode %s connects containers by one MAC', async (mode) => {
    const name = await network('-d', 'ipvlan', '-o', `ipvlan_mode=${mode}`);
    const first = freshName('on');
    containers.push(first);
    const { code, stderr } = await docker([
      'run',
      '-d',
      '--name',
      first,
      '--network',
      name,
      'busybox',
      'sleep',
      '300',
    ]);
    if (code !== 0) {
      // A kernel without ipvlan says so; there is nothing more to see then.
      expect(stderr).toContain('Unknown device type');
      return;
    }
    const second = await container('--network', name);
    expect(await reaches(first, await addressOf(second, name))).toBe(true);
    const mac = 'cat /sys/class/net/eth0/address';
    expect(await inside(first, mac)).toBe(await inside(second, mac));
  });

  it.each([
    [['-d', 'macvlan', '-o', 'parent=lo'], 'loopback interface is not a valid macvlan parent link'],
    [
      ['-d', 'macvlan', '-o', 'parent=nope0'],
      'invalid subinterface vlan name nope0, example formatting is eth0.10',
    ],
    [['-d', 'ipvlan', '-o', 'ipvlan_mode=l4'], "requested ipvlan mode 'l4' is not valid"],
    [['-d', 'overlay'], 'This node is not a swarm manager.'],
    [['--ingress'], 'Ingress network can only be global scope network'],
  ])('%j is refused', async (options, message) => {
    expect(await failure('network', 'create', ...options, freshName('bad'))).toContain(message);
  });
});

describe('several networks of a container', () => {
  it('can be chosen before it runs, and while it is stopped', async () => {
    const [a, b] = [await network(), await network()];
    const name = freshName('on');
    containers.push(name);
    await ok('create', '--name', name, '--network', a, 'busybox', 'sleep', '300');
    await ok('network', 'connect', '--alias', 'x', b, name);
    await ok('start', name);
    expect(await inside(name, 'ls /sys/class/net | xargs')).toBe('eth0 eth1 lo');
    await ok('stop', '-t', '0', name);
    await ok('network', 'disconnect', a, name);
    expect(await failure('network', 'disconnect', a, name)).toContain(`is not connected to the network ${a}`);
    await ok('start', name);
    expect(await inside(name, 'ip -o addr show eth0')).toContain(await addressOf(name, b));
    expect(await failure('network', 'connect', b, name)).toContain(
      `endpoint with name ${name} already exists in network ${b}`,
    );
  });

  it('are five at once, and the default route follows the priorities', async () => {
    const five = [];
    for (let count = 0; count < 5; count++) five.push(await network());
    const [first = '', second = '', ...others] = five;
    const name = await container(
      ...others.flatMap((each) => ['--network', each]),
      ...['--network', `name=${first},gw-priority=1`, '--network', `name=${second},gw-priority=2`],
    );
    const defaultRoute = () => inside(name, 'ip route | grep default');
    expect(await inside(name, 'ls -d /sys/class/net/eth* | wc -l')).toBe('5');
    expect(await defaultRoute()).toContain(await addressOf(name, second, 'Gateway'));
    await ok('network', 'disconnect', second, name);
    expect(await defaultRoute()).toContain(await addressOf(name, first, 'Gateway'));
    await ok('network', 'connect', '--gw-priority', '5', second, name);
    expect(await defaultRoute()).toContain(await addressOf(name, second, 'Gateway'));
  });
});

describe('subnets', () => {
  it("are one network's, even if two ask at once", async () => {
    const subnet = ['--subnet', '10.153.0.0/24'];
    const names = [freshName('race'), freshName('race')];
    const answers = await Promise.all(names.map((name) => docker(['network', 'create', ...subnet, name])));
    const winner = names[answers.findIndex(({ code }) => code === 0)] ?? '';
    const lost = answers.filter(({ code }) => code !== 0);
    networks.push(winner);
    expect(lost).toHaveLength(1);
    expect(lost[0]?.stderr).toContain('Pool overlaps with other one on this address space');
    expect(lost[0]?.stderr).toContain(`10.153.0.0/24 of network ${winner}`);
    expect(await failure('network', 'create', '--subnet', '10.153.0.128/25', freshName('in'))).toContain(
      winner,
    );
  });

  it('are used up at some point, which names the network; what goes makes room', async () => {
    const name = await network('--subnet', '10.154.0.0/29', '--aux-address', 'router=10.154.0.6');
    const made = [];
    for (let count = 0; count < 4; count++) made.push(await container('--network', name));
    const one = await failure('run', '--rm', '--network', name, 'busybox', 'true');
    expect(one).toContain(`no available IPv4 addresses on this network's address pools: ${name} (`);
    const { body } = await api.get<{ Status: object }>(`/networks/${name}`);
    expect(body.Status).toEqual({
      IPAM: { Subnets: { '10.154.0.0/29': { IPsInUse: 8, DynamicIPsAvailable: 0 } } },
    });
    await ok('rm', '-f', made[0] ?? '');
    await eventually(() => ok('run', '--rm', '--network', name, 'busybox', 'true'));
  });

  it('can come from a config-only network', async () => {
    const template = await network('--config-only', '--subnet', '10.155.0.0/24', '--label', 'a=b');
    expect(await failure('run', '--rm', '--network', template, 'busybox', 'true')).toContain(
      'cannot create endpoint on configuration-only network',
    );
    const name = await network('--config-from', template);
    expect(await failure('network', 'rm', template)).toContain(
      `configuration network "${template}" is in use`,
    );
    const one = await container('--network', name);
    expect(await addressOf(one, name)).toMatch(/^10\.155\.0\./);
    // afterAll removes in the order of making.
    networks.splice(networks.indexOf(template), 1);
    networks.push(template);
  });

  it.each([
    [['--subnet', '10.156.0.1/24'], 'invalid subnet 10.156.0.1/24: it should be 10.156.0.0/24'],
    [['--ipv4=false'], 'IPv4 or IPv6 must be enabled'],
  ])('%j is refused', async (options, message) => {
    expect(await failure('network', 'create', ...options, freshName('bad'))).toContain(message);
  });
});

describe('networks by name', () => {
  it('are found by name, id and prefix, once each, and stay while they are used', async () => {
    const name = await network('--label', 'find=me');
    const id = await ok('network', 'inspect', '-f', '{{.Id}}', name);
    for (const reference of [id, id.slice(0, 12)]) {
      expect(await ok('network', 'inspect', '-f', '{{.Name}}', reference)).toBe(name);
    }
    expect(await failure('network', 'create', name)).toContain(`network with name ${name} already exists`);
    const one = await container('--network', id.slice(0, 12));
    const endpoint = (await addressOf(one, name, 'EndpointID')).slice(0, 12);
    expect(await failure('network', 'rm', name)).toContain(
      `error while removing network: network ${name} id ${id} has active endpoints (name:"${one}" id:"${endpoint}")`,
    );
    expect(await failure('network', 'rm', 'bridge')).toContain(
      'bridge is a pre-defined network and cannot be removed',
    );
    const list = (...filters: string[]) =>
      ok('network', 'ls', '--format', '{{.Name}}', ...filters.flatMap((filter) => ['-f', filter]));
    expect(await list('label=find=me')).toBe(name);
    expect(await list(`id=${id.slice(0, 20)}`)).toBe(name);
    expect(await list(`name=${name}`, 'driver=bridge', 'type=custom', 'scope=local')).toBe(name);
    expect(await list(`name=${name}`, 'dangling=true')).toBe('');
    const unused = await network('--label', `prune=${name}`);
    const filter = `label=prune=${name}`;
    expect(await ok('network', 'prune', '-f', '--filter', filter, '--filter', 'until=1h')).toBe('');
    expect(await ok('network', 'prune', '-f', '--filter', filter)).toContain(unused);
    networks.splice(networks.indexOf(unused), 1);
  });
});

async function bridgeOf(name: string): Promise<string> {
  return `br-${(await ok('network', 'inspect', '-f', '{{.Id}}', name)).slice(0, 12)}`;
}
