import { readFileSync } from 'node:fs';
import { invalidArgument } from '../errors';

/** In the order of their numbers (capability.h): bit n of /proc/<pid>/status is element n. */
const NAMES = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

/** What a container has where nothing else is said; Docker's own choice: 00000000a80425fb. */
export const DEFAULT_CAPABILITIES = (
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL ' +
  'AUDIT_WRITE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

let held: string[] | undefined;

/** All that this process may hand on: the kernel's, less what a surrounding container took away. */
export function availableCapabilities(): string[] {
  held ??= decode(/^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0');
  return held;
}

function decode(mask: string): string[] {
  const bits = BigInt(`0x${mask}`);
  return NAMES.filter((_, bit) => (bits >> BigInt(bit)) & 1n);
}

/**
 * The capabilities of a container: names with or without CAP_, in any case, and ALL.
 * @throws InvalidArgument in Docker's words for an unknown name.
 */
export function containerCapabilities(
  add: readonly string[] | null,
  drop: readonly string[] | null,
  privileged: boolean,
  available: string[] = availableCapabilities(),
): string[] {
  const added = normalise(add, 'CapAdd');
  const dropped = normalise(drop, 'CapDrop');
  if (privileged) return available;
  const base = dropped.includes('ALL') ? [] : DEFAULT_CAPABILITIES;
  if (added.includes('ALL')) return available.filter((name) => !dropped.includes(name));
  const kept = base.filter((name) => !dropped.includes(name));
  return [...new Set([...kept, ...added])];
}

function normalise(names: readonly string[] | null, field: string): string[] {
  return (names ?? []).map((given) => {
    const upper = given.toUpperCase();
    if (upper === 'ALL') return upper;
    const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (!NAMES.includes(name)) throw invalidArgument(`invalid ${field}: unknown capability: "${name}"`);
    return name;
  });
}
