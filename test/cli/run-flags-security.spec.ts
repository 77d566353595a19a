import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { itHas, outputOf, refusalOf, runScript } from '../support/cli-flags';

/** What processes may do: read from /proc/self/status and tried out. */
describe('security flags of docker run', () => {
  const directory = mkdtempSync(join(tmpdir(), 'security-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  const field = (status: string, name: string) => new RegExp(`^${name}:\\s*(\\S+)$`, 'm').exec(status)?.[1];
  const status = (args: string[]) => outputOf(args, 'cat /proc/self/status');
  /** All that this process could hand on. */
  const everything = field(readFileSync('/proc/self/status', 'utf8'), 'CapBnd') ?? '';
  const without = (mask: string, bit: number) =>
    (BigInt(`0x${mask}`) & ~(1n << BigInt(bit))).toString(16).padStart(16, '0');
  const NET_ADMIN = 12;

  it.each([
    [[], '00000000a80425fb'],
    [['--cap-drop', 'ALL'], '0000000000000000'],
    [
      ['--cap-drop', 'ALL', '--cap-add', 'net_admin'],
      (1n << BigInt(NET_ADMIN)).toString(16).padStart(16, '0'),
    ],
    [['--cap-drop', 'CHOWN'], '00000000a80425fa'],
    [['--cap-add', 'ALL'], everything],
    [['--cap-add', 'ALL', '--cap-drop', 'CHOWN'], without(everything, 0)],
    [['--privileged'], everything],
  ])('%j: capabilities', async (args, mask) => {
    const text = await status(args);
    expect([field(text, 'CapBnd'), field(text, 'CapEff')]).toEqual([mask, mask]);
  });

  it('a user who is not root has none of what --cap-add gives, but could get it', async () => {
    const text = await status(['-u', 'bob', '--cap-add', 'NET_ADMIN']);
    expect(field(text, 'CapEff')).toBe('0000000000000000');
    expect(BigInt(`0x${field(text, 'CapBnd')}`) & (1n << BigInt(NET_ADMIN))).not.toBe(0n);
  });

  itHas(['--cap-add', '--cap-drop'], 'no names that the kernel does not have', async () => {
    expect(await refusalOf(['--cap-add', 'FLY'])).toContain('unknown capability: "CAP_FLY"');
    expect(await refusalOf(['--cap-drop', 'FLY'])).toContain('unknown capability: "CAP_FLY"');
  });

  itHas(['--privileged'], 'no filter, nothing masked, devices of the host, writable /sys', async () => {
    const seen = await outputOf(
      ['--privileged'],
      'grep Seccomp: /proc/self/status; grep -cE " /proc/(kcore|sys|keys) " /proc/self/mountinfo; ' +
        'mount -t tmpfs none /mnt 2>&1 || mkdir -p /mnt && mount -t tmpfs none /mnt && echo mounted; ' +
        'grep " /sys " /proc/self/mountinfo | cut -d" " -f6; ls /dev | wc -l',
    );
    expect(seen).toMatch(/^Seccomp:\t0\n0\n[^]*mounted\nrw,/);
    expect(Number(seen.trim().split('\n').at(-1))).toBeGreaterThan(15);
  });

  describe('--security-opt', () => {
    it('no-new-privileges', async () => {
      expect(field(await status(['--security-opt', 'no-new-privileges']), 'NoNewPrivs')).toBe('1');
      expect(field(await status(['--security-opt', 'no-new-privileges=false']), 'NoNewPrivs')).toBe('0');
    });

    it('seccomp=unconfined, a profile, a broken one', async () => {
      const profile = join(directory, 'profile.json');
      writeFileSync(
        profile,
        JSON.stringify({
          defaultAction: 'SCMP_ACT_ALLOW',
          syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 }],
        }),
      );
      expect(field(await status([]), 'Seccomp')).toBe('2');
      expect(field(await status(['--security-opt', 'seccomp=unconfined']), 'Seccomp')).toBe('0');
      const forbidden = await runScript(['--security-opt', `seccomp=${profile}`], 'mkdir /new');
      expect(forbidden.stderr).toContain("can't create directory '/new': Permission denied");
      writeFileSync(profile, '{');
      expect((await runScript(['--security-opt', `seccomp=${profile}`], 'true')).code).toBe(125);
    });

    it('systempaths=unconfined', async () => {
      const masked = 'grep -cE " /proc/(kcore|keys|sys|bus) " /proc/self/mountinfo';
      expect(Number((await runScript([], masked)).stdout)).toBeGreaterThan(1);
      expect((await runScript(['--security-opt', 'systempaths=unconfined'], masked)).stdout).toBe('0\n');
    });

    it('apparmor and label: applied where the kernel has them, said where not', async () => {
      const profile = await runScript(
        ['--security-opt', 'apparmor=unconfined'],
        'cat /proc/self/attr/current 2>/dev/null; true',
      );
      expect(profile).toMatchObject({ code: 0, stderr: '' });
      if (!existsSync('/sys/module/apparmor')) {
        const ignored = await runScript(['--security-opt', 'apparmor=mine'], 'true');
        expect(ignored.stderr).toContain('AppArmor is not available on this host: profile ignored');
      }
      if (!existsSync('/sys/fs/selinux')) {
        const ignored = await runScript(['--security-opt', 'label=type:mine'], 'true');
        expect(ignored.stderr).toContain('SELinux is not available on this host: label option ignored');
      }
      expect(await runScript(['--security-opt', 'label=disable'], 'true')).toMatchObject({
        code: 0,
        stderr: '',
      });
    });

    it('nothing that is not known', async () => {
      expect(await refusalOf(['--security-opt', 'fly=1'])).toContain('invalid --security-opt 2: "fly=1"');
    });
  });
});
