import type { BigIntStats } from 'node:fs';

/** A time with nanoseconds, as in struct timespec. */
export interface Timespec {
  seconds: number;
  nanoseconds: number;
}

export interface FileStatus {
  /** With the S_IFMT bits. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  inode: bigint;
  device: bigint;
  links: number;
  /** Device number of a device node. */
  major: number;
  minor: number;
  mtime: Timespec;
  /** Of the last change to content or attributes, which nobody can set. Nanoseconds since 1970. */
  changed: bigint;
}

const NANOSECONDS = 1_000_000_000n;

export function fileStatus(found: BigIntStats): FileStatus {
  return {
    mode: Number(found.mode),
    uid: Number(found.uid),
    gid: Number(found.gid),
    size: Number(found.size),
    inode: found.ino,
    device: found.dev,
    links: Number(found.nlink),
    ...splitDevice(found.rdev),
    mtime: toTimespec(found.mtimeNs),
    changed: found.ctimeNs,
  };
}

/** Times before 1970 have negative seconds and, as everywhere, nanoseconds that count upwards. */
function toTimespec(time: bigint): Timespec {
  const nanoseconds = ((time % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  return { seconds: Number((time - nanoseconds) / NANOSECONDS), nanoseconds: Number(nanoseconds) };
}

/** makedev(3): the kernel's 64-bit layout. */
export function makeDevice(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (
    ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn)
  );
}

function splitDevice(device: bigint): { major: number; minor: number } {
  return {
    major: Number(((device >> 32n) & 0xfffff000n) | ((device >> 8n) & 0xfffn)),
    minor: Number(((device >> 12n) & 0xffffff00n) | (device & 0xffn)),
  };
}
