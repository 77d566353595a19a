import { LibSeccomp } from './lib-seccomp';

const seccomp = new LibSeccomp();
// Left out where libseccomp is missing; `npm test` installs it.
const compiling = seccomp.available() ? describe : describe.skip;

const rulesFor = (capabilities: string[], call: string, arch = 'x86_64', kernel = '6.1'): string[] =>
  (seccomp.defaultProfile(capabilities, arch, kernel).syscalls ?? [])
    .filter((rule) => rule.names.includes(call))
    .map((rule) => `${rule.action}${rule.errnoRet ?? ''}${rule.args ? '?' : ''}`);

describe('the default profile', () => {
  it('gives each capability its calls', () => {
    expect(rulesFor([], 'read')).toEqual(['SCMP_ACT_ALLOW']);
    expect(rulesFor([], 'mount')).toEqual([]);
    expect(rulesFor(['CAP_SYS_ADMIN'], 'mount')).toEqual(['SCMP_ACT_ALLOW']);
    expect(rulesFor([], 'chroot')).toEqual([]);
    expect(rulesFor(['CAP_SYS_CHROOT'], 'chroot')).toEqual(['SCMP_ACT_ALLOW']);
    expect(rulesFor([], 'keyctl')).toEqual([]);
    expect(rulesFor([], 'io_uring_setup')).toEqual([]);
  });

  it('lets nobody make namespaces without CAP_SYS_ADMIN', () => {
    expect(rulesFor([], 'clone')).toEqual(['SCMP_ACT_ALLOW?']);
    expect(rulesFor([], 'clone3')).toEqual(['SCMP_ACT_ERRNO38']);
    expect(rulesFor(['CAP_SYS_ADMIN'], 'clone3')).toEqual(['SCMP_ACT_ALLOW']);
  });

  it('depends on the machine and the kernel', () => {
    expect(rulesFor([], 'arch_prctl', 'aarch64')).toEqual([]);
    expect(rulesFor([], 'arch_prctl')).toEqual(['SCMP_ACT_ALLOW']);
    expect(rulesFor([], 'ptrace', 'x86_64', '4.4.0-generic')).toEqual([]);
    expect(rulesFor([], 'ptrace')).toEqual(['SCMP_ACT_ALLOW']);
    expect(seccomp.defaultProfile([], 'aarch64').architectures).toEqual([
      'SCMP_ARCH_AARCH64',
      'SCMP_ARCH_ARM',
    ]);
  });
});

compiling('compile', () => {
  it('makes a program of the default profile', () => {
    const program = seccomp.compile(seccomp.defaultProfile(['CAP_CHOWN']));
    expect(program?.length).toBeGreaterThan(2000);
    expect((program?.length ?? 1) % 8).toBe(0);
    expect(
      program?.equals(seccomp.compile(seccomp.defaultProfile(['CAP_SYS_ADMIN'])) ?? Buffer.alloc(0)),
    ).toBe(false);
  });

  it('returns the errno of the rule and of the default', () => {
    const program = seccomp.compile({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [
        { names: ['getcwd'], action: 'SCMP_ACT_ERRNO', errnoRet: 77 },
        { names: ['chdir', 'no_such_call'], action: 'SCMP_ACT_ERRNO' },
      ],
    });
    const returned = returnValues(program);
    expect(returned).toContain(0x00050000 | 77);
    expect(returned).toContain(0x00050000 | 1);
    expect(returned).toContain(0x7fff0000);
  });

  it.each(['SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_TRAP', 'SCMP_ACT_TRACE', 'SCMP_ACT_LOG'])(
    'knows %s',
    (action) => {
      const syscalls = [{ names: ['getcwd'], action }];
      expect(returnValues(seccomp.compile({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }))).toHaveLength(3);
    },
  );

  it('refuses what it does not know', () => {
    const argument = { index: 0, value: 0, op: 'SCMP_CMP_ODD' };
    expect(() => seccomp.compile({ defaultAction: 'SCMP_ACT_NOTIFY' })).toThrow(RangeError);
    expect(() =>
      seccomp.compile({ defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_PDP11'] }),
    ).toThrow('SCMP_ARCH_PDP11');
    expect(() =>
      seccomp.compile({
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['read'], action: 'SCMP_ACT_TRAP', args: [argument] }],
      }),
    ).toThrow('SCMP_CMP_ODD');
  });
});

/** The values of all BPF_RET|BPF_K instructions (struct sock_filter: u16 code, u8 jt, u8 jf, u32 k). */
function returnValues(program: Buffer | undefined): number[] {
  const found = new Set<number>();
  for (let at = 0; program && at < program.length; at += 8) {
    if (program.readUInt16LE(at) === 0x06) found.add(program.readUInt32LE(at + 4));
  }
  return [...found];
}
