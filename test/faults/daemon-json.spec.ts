import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { busyboxRootfs } from '../support/busybox-image';
import { dockerOn } from '../support/docker-cli';
import { EngineClient } from '../support/engine-client';
import { TestInstance } from '../support/test-instance';

/* An instance of its own, set up by a file in dockerd's format. */

const directory = mkdtempSync(join(tmpdir(), 'gantry-daemon-json-'));
const file = join(directory, 'daemon.json');
const net = `10.77.${randomInt(256)}`;
const settings = {
  labels: ['rack=7', 'zone=a,b'],
  bip: `${net}.1/24`,
  'fixed-cidr': `${net}.128/25`,
  mtu: 1400,
  ip: '127.0.0.1',
  dns: ['192.0.2.53'],
  'dns-search': ['corp.test'],
  'log-driver': 'json-file',
  'log-opts': { 'max-size': '1m', 'max-file': '3' },
  'default-ulimits': {
    nofile: { Name: 'nofile', Hard: 2048, Soft: 1024 },
    core: { Name: 'core', Hard: 0, Soft: 0 },
  },
  'default-shm-size': '32m',
  'default-ipc-mode': 'shareable',
  'default-address-pools': [{ base: '10.78.0.0/16', size: 26 }],
  'insecure-registries': ['reg.test:5000', '10.1.0.0/16'],
  'registry-mirrors': ['https://mirror.test'],
  'no-new-privileges': true,
  init: true,
  debug: true,
};
const set = (more: object): void => writeFileSync(file, JSON.stringify({ ...settings, ...more }));

let own: TestInstance;
let docker: ReturnType<typeof dockerOn>;
let engine: EngineClient;
jest.setTimeout(120_000);

beforeAll(async () => {
  set({});
  own = await TestInstance.start(`gd${randomBytes(3).toString('hex')}`, {
    env: { GANTRY_CONFIG_FILE: file },
  });
  docker = dockerOn(own.dockerHost);
  engine = new EngineClient(own.socket);
  await engine.post(
    '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
    await busyboxRootfs(),
  );
});
afterAll(async () => {
  await own?.clean();
  rmSync(directory, { recursive: true });
});

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await docker(args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

const info = async (): Promise<unknown> => (await engine.get('/info')).body;

it('docker info says what was set', async () => {
  expect(await info()).toMatchObject({
    LoggingDriver: 'json-file',
    Labels: ['rack=7', 'zone=a,b'],
    Debug: true,
    DefaultAddressPools: [{ Base: '10.78.0.0/16', Size: 26 }],
    RegistryConfig: {
      InsecureRegistryCIDRs: ['10.1.0.0/16', '::1/128', '127.0.0.0/8'],
      IndexConfigs: {
        'docker.io': { Mirrors: ['https://mirror.test/'], Secure: true },
        'reg.test:5000': { Name: 'reg.test:5000', Secure: false },
      },
      Mirrors: ['https://mirror.test/'],
    },
    SecurityOptions: expect.arrayContaining(['name=no-new-privileges']),
  });
});

it('a container has what it does not say itself', async () => {
  const script =
    'cat /etc/resolv.conf; ulimit -n; ulimit -c; cat /sys/class/net/eth0/mtu; grep NoNew /proc/1/status; cat /proc/1/comm';
  const seen = await ok('run', '--name', 'all', '--log-opt', 'max-file=2', 'busybox', 'sh', '-c', script);
  expect(seen).toContain('nameserver 192.0.2.53\nsearch corp.test\n');
  expect(seen).toMatch(/1024\n0\n1400\nNoNewPrivs:\t1\n(docker-init|tini|catatonit)/);
  expect((await engine.get('/containers/all/json')).body).toMatchObject({
    HostConfig: {
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '2' } },
      Ulimits: [
        { Name: 'nofile', Hard: 2048, Soft: 1024 },
        { Name: 'core', Hard: 0, Soft: 0 },
      ],
      ShmSize: 32 << 20,
      IpcMode: 'shareable',
    },
  });
  const other = ['--dns', '192.0.2.54', '--ulimit', 'nofile=99:99', '--network', 'host', 'busybox'];
  expect(
    await ok(
      'run',
      '--rm',
      ...other,
      'sh',
      '-c',
      'grep -E "^(nameserver|search)" /etc/resolv.conf; ulimit -n',
    ),
  ).toBe('nameserver 192.0.2.54\nsearch corp.test\n99');
});

it('a reload takes up what has changed, and refuses what is wrong', async () => {
  const reload = () => promisify(execFile)(process.execPath, ['scripts/gantry.mjs', 'restart', ...paths()]);
  const paths = () => ['--instance', own.name, '--run-dir', own.runDir, '--data-root', own.dataRoot];
  await ok('run', '-d', '--name', 'user', '-p', '80', 'busybox', 'sleep', '300');
  expect(await ok('port', 'user')).toMatch(/^80\/tcp -> 127\.0\.0\.1:\d+$/);
  const address = ['inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'user'];
  expect(await ok(...address)).toMatch(
    new RegExp(`^${net.replaceAll('.', '\\.')}\\.(12[89]|1[3-9]\\d|2\\d\\d)$`),
  );

  // A subnet stays while somebody has an address of it; labels are another matter.
  set({ labels: ['rack=8'], bip: '10.79.0.1/24', 'fixed-cidr': '10.79.0.0/24' });
  await reload();
  expect(await info()).toMatchObject({ Labels: ['rack=8'] });
  const subnet = ['network', 'inspect', 'bridge', '-f', '{{(index .IPAM.Config 0).Subnet}}'];
  expect(await ok(...subnet)).toBe(`${net}.0/24`);

  set({ 'log-opts': { 'max-size': '1x' } });
  await expect(reload()).rejects.toThrow("GANTRY_LOG_OPTS: invalid size: '1x'");
  set({ colour: 'red' });
  await expect(reload()).rejects.toThrow(
    "the following directives don't match any configuration option: colour",
  );
  await ok('exec', 'user', 'true');
});
