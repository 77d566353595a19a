import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { busyboxRootfs } from '../support/busybox-image';
import { dockerOn } from '../support/docker-cli';
import { EngineClient } from '../support/engine-client';
import { TestInstance } from '../support/test-instance';

/* An instance of its own: what the default bridge has is said when the services start. */

const SUBNET = 'fd00:a11:b::/64';
const env: Record<string, string> = {};
let own: TestInstance;
let docker: ReturnType<typeof dockerOn>;
jest.setTimeout(120_000);

beforeAll(async () => {
  own = await TestInstance.start(`gv${randomBytes(3).toString('hex')}`, { env });
  docker = dockerOn(own.dockerHost);
  await new EngineClient(own.socket).post(
    '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
    await busyboxRootfs(),
  );
});
afterAll(() => own?.clean());

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await docker(args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

async function startWith(setting: string): Promise<string[]> {
  await own.stop();
  env['GANTRY_BRIDGE_IPV6'] = setting;
  await own.startAgain();
  const subnets = await ok('network', 'inspect', 'bridge', '-f', '{{range .IPAM.Config}}{{.Subnet}} {{end}}');
  return subnets.split(' ').filter((subnet) => subnet.includes(':'));
}

const addressIn = async (...options: string[]): Promise<string> =>
  /inet6 (\S+) scope global/.exec(await ok('run', '--rm', ...options, 'busybox', 'ip', '-6', 'addr'))?.[1] ??
  '';

it('the default bridge gets IPv6, keeps its subnet while it is in use, and loses it', async () => {
  expect(await addressIn()).toBe('');
  await ok('run', '-d', '--name', 'before', 'busybox', 'sleep', '300');
  expect(await startWith(SUBNET)).toEqual([SUBNET]);
  expect(await addressIn()).toMatch(/^fd00:a11:b::.+\/64$/);
  const command = 'cat /etc/hosts; ip -6 route; ping -c 1 -W 2 fd00:a11:b::1';
  const seen = await ok('run', '--rm', '--add-host', 'up:host-gateway', 'busybox', 'sh', '-c', command);
  expect(seen).toContain('fd00:a11:b::1\tup\n');
  expect(seen).toContain('default via fd00:a11:b::1');
  expect(seen).toContain(' 0% packet loss');

  const serve = ['httpd', '-f', '-p', '80', '-h', '/data'];
  await ok('run', '-d', '--name', 'user', '-p', '80', 'busybox', ...serve);
  expect(await startWith('1')).toEqual([SUBNET]);
  expect(await startWith('fd00:a11:c::/64')).toEqual([SUBNET]);
  expect(readFileSync(own.logFile, 'utf8')).toContain(
    'GANTRY_BRIDGE_IPV6 is not what the default bridge has',
  );
  const port = (await ok('port', 'user', '80')).split(':').at(-1);
  const fetch = ['wget', '-qO-', `http://[fd00:a11:b::1]:${port}/seed`];
  expect(await ok('run', '--rm', 'busybox', ...fetch)).toBe('image-content');

  await ok('rm', '-f', 'user');
  expect(await startWith('0')).toEqual([]);
  expect(await addressIn()).toBe('');
  const [picked = ''] = await startWith('1');
  expect(picked).toMatch(/^fd.+\/64$/);
  await ok('exec', 'before', 'true');
});
