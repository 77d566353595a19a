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
  hasAppArmor(): boolean;
  /** A kernel setting, `net.ipv4.ip_forward`; undefined when it does not exist. */
  sysctl(name: string): string | undefined;
  setSysctl(name: string, value: string): void;
  /** The absolute path of a program in PATH or the usual system directories. */
  which(program: string): string | undefined;
}
