import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxRootfs } from '../support/busybox-image';
import { freshName } from '../support/containers';
import { dockerEnvironment, dockerOn } from '../support/docker-cli';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { hostNetwork, leftOver } from '../support/host-network';
import { hasIpv6 } from '../support/ipv6';
import { TestInstance } from '../support/test-instance';

/* On an instance of its own: it looks at everything that the instance has on the host. */

jest.setTimeout(120_000);
let own: TestInstance;
let docker: ReturnType<typeof dockerOn>;

beforeAll(async () => {
  own = await TestInstance.start(`gn${Math.random().toString(36).slice(2, 8)}`);
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

const present = () => hostNetwork({ instance: own.name, dataRoot: own.dataRoot, pid: own.pid('network') });

/** Waits until what is on the host is what was there before, and no more. */
const nothingSince = (before: ReturnType<typeof present>) =>
  eventually(() => expect(leftOver(before, present())).toEqual([]), 20_000);

it('leaves nothing of ten networks and their containers', async () => {
  const cycle = async (name: string) => {
    await ok('network', 'create', '--ipv6', name);
    const ports = ['-p', '127.0.0.1::80', ...(hasIpv6 ? ['-p', '[::1]::80/udp'] : [])];
    await ok('run', '-d', '--name', name, '--network', name, ...ports, 'busybox', 'sleep', '300');
    await ok('network', 'connect', 'bridge', name);
    await ok('rm', '-f', name);
    await ok('network', 'rm', name);
  };
  await cycle('first');
  const before = await eventually(() => {
    const found = present();
    expect(found.links.filter((link) => link === 'v')).toHaveLength(8);
    expect(found.namespaces.every((one) => one === 'pooled')).toBe(true);
    return found;
  });
  const names = Array.from({ length: 10 }, () => freshName('leak'));
  await Promise.all(
    [names.slice(0, 5), names.slice(5)].map(async (some) => {
      for (const name of some) await cycle(name);
    }),
  );
  await nothingSince(before);
});

it('dies without a packet lost, and comes back to what it had, and to no more', async () => {
  await ok('network', 'create', '--subnet', '10.160.0.0/29', 'kept');
  const run = (name: string) =>
    ok('run', '-d', '--name', name, '--network', 'kept', 'busybox', 'sleep', '300');
  await run('one');
  await run('two');
  const before = await eventually(() => {
    expect(present().links.filter((link) => link === 'v')).toHaveLength(10);
    return present();
  });

  const ping = spawn('docker', ['exec', 'one', 'ping', '-i', '0.02', '-c', '200', 'two'], {
    env: dockerEnvironment(own.dockerHost),
  });
  let report = '';
  ping.stdout.on('data', (part: Buffer) => (report += part.toString()));
  const ended = new Promise((resolve) => ping.once('close', resolve));
  await eventually(() => expect(report).toContain('seq=5'));
  leaveStrays();
  await own.kill('network');
  await ended;
  expect(report).toContain('200 packets transmitted, 200 packets received, 0% packet loss');

  await nothingSince(before);
  await eventually(() => ok('exec', 'one', 'nslookup', 'two'));
  // Of six addresses the bridge and the two containers have one each still.
  for (const name of ['three', 'four', 'five']) await run(name);
  expect((await docker(['run', '--rm', '--network', 'kept', 'busybox', 'true'])).stderr).toContain(
    'no available IPv4 addresses',
  );
  await ok('rm', '-f', 'one', 'two', 'three', 'four', 'five');
  await ok('network', 'rm', 'kept');
});

/** What a crash in the middle of an attach would leave: a namespace, a veth pair, elements and a chain. */
function leaveStrays(): void {
  const { name, dataRoot } = own;
  const path = join(dataRoot, 'network', 'f'.repeat(64));
  closeSync(openSync(path, 'w'));
  execFileSync('unshare', ['-n', 'mount', '--bind', '/proc/self/ns/net', path]);
  const link = `v${name}x`;
  execFileSync('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', `w${name}x`]);
  execFileSync('ip', ['link', 'set', link, 'alias', `gantry:${name}:endpoint:ffffffffffff`]);
  execFileSync('nft', [
    `add element inet ${name} published_any { tcp . 9 : 10.9.9.9 . 9 }; add chain inet ${name} to_ffffffffffff`,
  ]);
}
