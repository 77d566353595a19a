import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { itHas, outputOf, refusalOf, runScript } from '../support/cli-flags';
import { freshName } from '../support/containers';
import { docker } from '../support/engine';

/** Which namespaces a container is in: /proc/self/ns of its processes against the host's and other containers'. */
describe('namespace flags of docker run', () => {
  const donor = freshName('donor');
  const secluded = freshName('secluded');
  beforeAll(async () => {
    await docker([
      'run',
      '-d',
      '--name',
      donor,
      '--ipc',
      'shareable',
      '--shm-size',
      '4m',
      'busybox',
      'sleep',
      '300',
    ]);
    await docker(['run', '-d', '--name', secluded, 'busybox', 'sleep', '300']);
    await docker(['exec', donor, 'sh', '-c', 'echo shared > /dev/shm/note']);
  });
  afterAll(() => docker(['rm', '-f', donor, secluded]));

  const ofHost = (kind: string) => readlinkSync(`/proc/self/ns/${kind}`);
  const of = async (args: string[], kind: string) =>
    (await outputOf(args, `readlink /proc/self/ns/${kind}`)).trim();
  const ofDonor = async (kind: string) =>
    (await docker(['exec', donor, 'readlink', `/proc/self/ns/${kind}`])).stdout.trim();

  itHas(['--pid'], "its own, the host's, another container's", async () => {
    expect(await of([], 'pid')).not.toBe(ofHost('pid'));
    expect(await outputOf(['--pid', 'host'], 'readlink /proc/self/ns/pid; cat /proc/1/comm')).toBe(
      `${ofHost('pid')}\n${readFileSync('/proc/1/comm', 'utf8')}`,
    );
    const joined = ['--pid', `container:${donor}`];
    expect(await outputOf(joined, 'readlink /proc/self/ns/pid; cat /proc/1/comm')).toBe(
      `${await ofDonor('pid')}\nsleep\n`,
    );
  });

  itHas(['--ipc', '--shm-size'], 'private, none, shareable, host, of a container that shares', async () => {
    expect(await of([], 'ipc')).not.toBe(ofHost('ipc'));
    expect(await of(['--ipc', 'private'], 'ipc')).not.toBe(await ofDonor('ipc'));
    expect(await of(['--ipc', 'host'], 'ipc')).toBe(ofHost('ipc'));
    const joined = ['--ipc', `container:${donor}`];
    expect(
      await outputOf(joined, 'readlink /proc/self/ns/ipc; cat /dev/shm/note; df -k /dev/shm | tail -1'),
    ).toMatch(new RegExp(`^${(await ofDonor('ipc')).replace(/[[\]]/g, '\\$&')}\nshared\nshm +4096 `));
    expect(await refusalOf(['--ipc', `container:${secluded}`])).toContain('non-shareable IPC');
    const places = 'grep -c " /dev/shm " /proc/self/mountinfo';
    expect((await runScript(['--ipc', 'none'], places)).stdout).toBe('0\n');
    expect((await runScript(['--ipc', 'private'], places)).stdout).toBe('1\n');
    expect(await outputOf(['--shm-size', '1m'], 'df -k /dev/shm | tail -1')).toMatch(/^shm +1024 /);
  });

  itHas(['--uts', '--hostname', '--domainname'], "names of its own or the host's", async () => {
    expect(
      await outputOf(
        ['-h', 'inner', '--domainname', 'example.org'],
        'hostname; cat /proc/sys/kernel/domainname',
      ),
    ).toBe('inner\nexample.org\n');
    expect(await outputOf(['--uts', 'host'], 'readlink /proc/self/ns/uts; hostname')).toBe(
      `${ofHost('uts')}\n${hostname()}\n`,
    );
    expect(await refusalOf(['--uts', 'host', '-h', 'inner'])).toContain(
      'conflicting options: hostname and the UTS mode',
    );
  });

  itHas(['--cgroupns'], 'private sees itself as the root, host does not', async () => {
    expect(await outputOf(['--cgroupns', 'private'], 'cut -d: -f3 /proc/self/cgroup | sort -u')).toBe('/\n');
    const seen = await outputOf(
      ['--cgroupns', 'host'],
      'readlink /proc/self/ns/cgroup; cut -d: -f3 /proc/self/cgroup',
    );
    expect(seen).toContain(ofHost('cgroup'));
    expect(seen).toMatch(/\/[0-9a-f]{64}\n/);
  });

  itHas(['--userns'], "the host's; others are not there", async () => {
    expect(await outputOf(['--userns', 'host'], 'cat /proc/self/uid_map')).toBe(
      readFileSync('/proc/self/uid_map', 'utf8'),
    );
    expect(await refusalOf(['--userns', 'mine'])).toContain('invalid USER mode');
  });

  itHas(['--network'], 'none, host, of another container', async () => {
    expect(await of(['--network', 'host'], 'net')).toBe(ofHost('net'));
    expect(await of(['--network', `container:${donor}`], 'net')).toBe(await ofDonor('net'));
    expect(await outputOf(['--network', 'none'], 'ls /sys/class/net')).toBe('lo\n');
  });

  itHas(['--sysctl'], 'of its own namespaces, and no others', async () => {
    const args = ['--sysctl', 'net.ipv4.ip_forward=0', '--sysctl', 'kernel.msgmax=9000'];
    expect(await outputOf(args, 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax')).toBe(
      '0\n9000\n',
    );
    expect((await runScript(['--sysctl', 'kernel.panic=1'], 'true')).code).not.toBe(0);
    expect(
      (await runScript(['--sysctl', 'net.core.somaxconn=99', '--network', 'host'], 'true')).code,
    ).not.toBe(0);
  });

  it.each([
    [['--pid', 'mine'], 'PID mode'],
    [['--ipc', 'mine'], 'IPC mode'],
    [['--uts', 'mine'], 'UTS mode'],
    [['--cgroupns', 'mine'], 'invalid CGROUP mode'],
    [['--pid', 'container:nonesuch'], 'No such container: nonesuch'],
    [['--ipc', 'container:nonesuch'], 'No such container: nonesuch'],
    [['--network', 'container:nonesuch'], 'No such container: nonesuch'],
  ])('%j is refused, and no image is pulled for it', async (args, words) => {
    const said = await refusalOf(args);
    expect(said).toContain(words);
    expect(said).not.toContain('Unable to find image');
  });
});
