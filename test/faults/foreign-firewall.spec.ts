import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { busyboxRootfs } from '../support/busybox-image';
import { dockerOn } from '../support/docker-cli';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { ask } from '../support/network-peer';
import { TestInstance } from '../support/test-instance';

/*
 * What other programs do to the rules of a host. The host is a network namespace, so that nobody else is hit; another one
 * is a machine of its network.
 */

const run = (command: string): string =>
  execFileSync('sh', ['-c', command], { encoding: 'utf8', stdio: 'pipe' });
const works = (command: string, words: string): boolean => {
  try {
    return run(command).includes(words);
  } catch {
    return false;
  }
};
const hasIptables = works('iptables -V', 'nf_tables');
/** The kernel may lack what it needs. */
const hasLegacy = works('unshare -n iptables-legacy -S', '-P FORWARD');
const tag = randomBytes(3).toString('hex');
const HOST = `gh${tag}`;
const MACHINE = `gm${tag}`;
const onHost = (command: string): string => run(`nsenter --net=/run/netns/${HOST} sh -c '${command}'`);

let own: TestInstance;
let docker: ReturnType<typeof dockerOn>;
let port: number;
jest.setTimeout(120_000);

beforeAll(async () => {
  for (const name of [HOST, MACHINE]) run(`ip netns add ${name}`);
  run(`ip link add h${tag} netns ${HOST} type veth peer name m${tag} netns ${MACHINE}`);
  run(`ip -n ${HOST} addr add 10.171.0.1/24 dev h${tag}`);
  run(`ip -n ${MACHINE} addr add 10.171.0.2/24 dev m${tag}`);
  for (const [name, link] of [
    [HOST, `h${tag}`],
    [MACHINE, `m${tag}`],
  ]) {
    run(`ip -n ${name} link set lo up && ip -n ${name} link set ${link} up`);
  }
  own = await TestInstance.start(`gf${tag}`, { netns: `/run/netns/${HOST}` });
  docker = dockerOn(own.dockerHost);
  await new EngineClient(own.socket).post(
    '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
    await busyboxRootfs(),
  );
  const serve = ['httpd', '-f', '-p', '80', '-h', '/data'];
  const { code, stderr } = await docker(['run', '-d', '--name', 'server', '-p', '80', 'busybox', ...serve]);
  if (code !== 0) throw new Error(stderr);
  port = Number((await docker(['port', 'server', '80'])).stdout.split('\n')[0]?.split(':').at(-1));
});
afterAll(async () => {
  await own?.clean();
  for (const name of [HOST, MACHINE]) run(`ip netns del ${name}`);
});

const REQUEST = 'GET /seed HTTP/1.0\r\n\r\n';
/** From the host to the published port, and from a container through the host to the machine behind it. */
const worksBothWays = (limit?: number) =>
  eventually(async () => {
    const pid = own.pid('network');
    expect(await ask('tcp', '127.0.0.1', port, { pid, text: REQUEST })).toContain('200 OK');
    const { stdout } = await docker(['exec', 'server', 'ping', '-c', '1', '-W', '1', '10.171.0.2']);
    expect(stdout).toContain(' 0% packet loss');
  }, limit);

it('nft flush ruleset', async () => {
  await worksBothWays();
  onHost('nft flush ruleset');
  await worksBothWays();
});

(hasLegacy ? it : it.skip)('the policy DROP of iptables-legacy', async () => {
  onHost('iptables-legacy -P FORWARD DROP');
  await worksBothWays(20_000);
  expect(onHost('iptables-legacy -S FORWARD')).toContain(`--comment "gantry:${own.name}" -j ACCEPT`);
  await docker(['network', 'create', 'beside']);
  await docker(['network', 'rm', 'beside']);
  onHost('iptables-legacy -P FORWARD ACCEPT');
});

(hasIptables ? describe : describe.skip)('beside a dockerd that drops what it does not know', () => {
  const asDockerd = [
    'iptables -N DOCKER-USER',
    'iptables -A DOCKER-USER -j RETURN',
    'iptables -I FORWARD -j DOCKER-USER',
    'iptables -P FORWARD DROP',
  ];
  const ownRules = () =>
    onHost('iptables -S')
      .split('\n')
      .filter((rule) => rule.includes(`gantry:${own.name}`));

  it('containers reach what they reached', async () => {
    onHost(asDockerd.join(' && '));
    await worksBothWays();
    expect(ownRules()).toHaveLength(2);
  });

  it('also when iptables -F has taken the way to DOCKER-USER', async () => {
    onHost('iptables -F');
    await worksBothWays();
    expect(ownRules().every((rule) => rule.startsWith('-A FORWARD '))).toBe(true);
  });

  it('new networks are let pass, and leave nothing when they go', async () => {
    const before = ownRules();
    await docker(['network', 'create', 'later']);
    expect(ownRules()).toHaveLength(before.length + 2);
    const outside = ['ping', '-c', '1', '-W', '1', '10.171.0.2'];
    const { stdout } = await docker(['run', '--rm', '--network', 'later', 'busybox', ...outside]);
    expect(stdout).toContain(' 0% packet loss');
    await docker(['network', 'rm', 'later']);
    expect(ownRules()).toEqual(before);
  });

  it('clean takes the rules away', async () => {
    await own.clean();
    expect(ownRules()).toEqual([]);
    if (hasLegacy) expect(onHost('iptables-legacy -S')).not.toContain('gantry:');
    expect(onHost('nft list tables')).not.toContain(own.name);
  });
});
