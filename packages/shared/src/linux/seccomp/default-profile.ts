import {
  ALLOWED,
  ALLOWED_ON_MACHINE,
  ALLOWED_WITH_CAPABILITY,
  FAMILIES,
  FIRST_FORBIDDEN_FAMILY,
  NAMESPACE_FLAGS,
  PERSONALITIES,
  TRACING,
  TRACING_SAFE_SINCE,
} from './allowed-syscalls';
import type { OciSeccomp, OciSyscallArgument, OciSyscallRule } from './seccomp';

const EPERM = 1;
const ENOSYS = 38;
const ALLOW = 'SCMP_ACT_ALLOW';

const ARCHITECTURES: Record<string, string[]> = {
  x86_64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  aarch64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  ppc64le: ['SCMP_ARCH_PPC64LE'],
  s390x: ['SCMP_ARCH_S390X', 'SCMP_ARCH_S390'],
  riscv64: ['SCMP_ARCH_RISCV64'],
};

const allow = (names: string[], ...args: OciSyscallArgument[]): OciSyscallRule => ({
  names,
  action: ALLOW,
  ...(args.length > 0 ? { args } : {}),
});

const equal = (index: number, value: number): OciSyscallArgument => ({ index, value, op: 'SCMP_CMP_EQ' });

/**
 * What Docker lets a container call that has no other profile: see {@link ALLOWED} and its neighbours for the lists.
 * Everything else fails with EPERM. `machine` is that of uname(2), `kernel` its [major, minor].
 */
export function buildDefaultProfile(
  capabilities: string[],
  machine: string,
  kernel: readonly [number, number],
): OciSeccomp {
  const held = new Set(capabilities);
  const rules = [
    allow(ALLOWED),
    allow(['socket'], { index: 0, value: FIRST_FORBIDDEN_FAMILY, op: 'SCMP_CMP_LT' }),
    ...FAMILIES.map((family) => allow(['socket'], equal(0, family))),
    ...PERSONALITIES.map((persona) => allow(['personality'], equal(0, persona))),
  ];
  if (isAtLeast(kernel, TRACING_SAFE_SINCE)) rules.push(allow(TRACING));
  const ofMachine = ALLOWED_ON_MACHINE[machine];
  if (ofMachine) rules.push(allow(ofMachine));
  for (const [capability, names] of Object.entries(ALLOWED_WITH_CAPABILITY)) {
    if (held.has(capability)) rules.push(allow(names));
  }
  if (!held.has('CAP_SYS_ADMIN')) rules.push(...withoutNamespaces(machine));
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: ARCHITECTURES[machine],
    syscalls: rules,
  };
}

/** New threads and processes yes, new namespaces no. The flags of clone3 are behind a pointer: libc falls back to clone. */
function withoutNamespaces(machine: string): OciSyscallRule[] {
  const flagsAt = machine === 's390x' ? 1 : 0;
  return [
    allow(['clone'], { index: flagsAt, value: NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }),
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
  ];
}

function isAtLeast(version: readonly [number, number], wanted: readonly [number, number]): boolean {
  return version[0] > wanted[0] || (version[0] === wanted[0] && version[1] >= wanted[1]);
}
