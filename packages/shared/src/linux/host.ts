import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, hostname, machine, release, totalmem, type, version } from 'node:os';
import { hasCode } from './errno';
import { which } from './which';

export interface Uname {
  sysname: string;
  nodename: string;
  release: string;
  version: string;
  /** `x86_64`, `aarch64` ... */
  machine: string;
}

/** Facts about this host. */
export interface Host {
  uname(): Uname;
  /** `[6, 18, 44]` */
  kernelVersion(): [number, number, number];
  hostname(): string;
  /** Bytes. */
  memoryTotal(): number;
  cpuCount(): number;
  /** PRETTY_NAME of /etc/os-release, `Debian GNU/Linux 12 (bookworm)`. */
  osName(): string;
  /** VERSION_ID of /etc/os-release; empty when it has none. */
  osVersion(): string;
  hasOverlayfs(): boolean;
  hasSeccomp(): boolean;
  /** A kernel setting, `net.ipv4.ip_forward`; undefined when it does not exist. */
  sysctl(name: string): string | undefined;
  setSysctl(name: string, value: string): void;
  /** The tables that iptables-legacy has in this network namespace, `filter`; nftables does not show them. */
  legacyTables(family: 4 | 6): string[];
  /** The absolute path of a program in PATH or the usual system directories. */
  which(program: string): string | undefined;
}

/** `net.ipv4.ip_forward` or, for names with dots in them, `net/ipv4/conf/eth0.1/forwarding`. */
function sysctlPath(name: string): string {
  const path = name.includes('/') ? name : name.replaceAll('.', '/');
  if (path.split('/').includes('..')) throw new RangeError(`not a kernel setting: ${name}`);
  return `/proc/sys/${path}`;
}

export class KernelHost implements Host {
  uname(): Uname {
    return {
      sysname: type(),
      nodename: hostname(),
      release: release(),
      version: version(),
      machine: machine(),
    };
  }

  kernelVersion(): [number, number, number] {
    const [major = 0, minor = 0, patch = 0] = (release().match(/\d+/g) ?? []).map(Number);
    return [major, minor, patch];
  }

  hostname(): string {
    return hostname();
  }

  memoryTotal(): number {
    return totalmem();
  }

  cpuCount(): number {
    return cpus().length;
  }

  osName(): string {
    return osRelease('PRETTY_NAME') ?? osRelease('NAME') ?? 'Linux';
  }

  osVersion(): string {
    return osRelease('VERSION_ID') ?? '';
  }

  hasOverlayfs(): boolean {
    return /^nodev\toverlay$/m.test(readIfPresent('/proc/filesystems') ?? '');
  }

  hasSeccomp(): boolean {
    return /^Seccomp:/m.test(readIfPresent('/proc/self/status') ?? '');
  }

  sysctl(name: string): string | undefined {
    return readIfPresent(sysctlPath(name))?.trimEnd();
  }

  setSysctl(name: string, value: string): void {
    writeFileSync(sysctlPath(name), value);
  }

  legacyTables(family: 4 | 6): string[] {
    const names = readIfPresent(`/proc/net/ip${family === 6 ? '6' : ''}_tables_names`) ?? '';
    return names.split('\n').filter((name) => name !== '');
  }

  which(program: string): string | undefined {
    return which(program);
  }
}

/** A field of os-release(5), without its shell quotes. */
function osRelease(field: string): string | undefined {
  const text = readIfPresent('/etc/os-release') ?? readIfPresent('/usr/lib/os-release') ?? '';
  return new RegExp(`^${field}=(["']?)(.*)\\1$`, 'm').exec(text)?.[2];
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}
