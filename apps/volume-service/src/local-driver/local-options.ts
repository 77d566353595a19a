import { MountFlag, PROPAGATION_FLAGS, type Propagation } from '@gantry/shared/linux';
import { invalidArgument } from '@gantry/shared/errors';

/** The options of the local driver that dockerd knows. */
const KNOWN = ['type', 'o', 'device', 'size'];
/** What each of them cannot be without. */
const NEEDS: Record<string, string[]> = { device: ['type'], type: ['device'], o: ['device', 'type'] };

/** @throws InvalidArgument in dockerd's words. */
export function checkOptions(name: string, options: Record<string, string>): void {
  for (const option of Object.keys(options)) {
    if (!KNOWN.includes(option))
      throw invalidArgument(`create ${name}: invalid option: ${JSON.stringify(option)}`);
  }
  for (const [option, needed] of Object.entries(NEEDS)) {
    const missing = option in options ? needed.find((other) => !(other in options)) : undefined;
    if (missing) throw invalidArgument(`create ${name}: missing required option: ${JSON.stringify(missing)}`);
  }
  const port = options['type'] === 'cifs' ? /^\/\/[^/]*:\d+(\/|$)/.test(options['device'] ?? '') : false;
  if (port) {
    throw invalidArgument(`create ${name}: port not allowed in CIFS device URL, include 'port' in 'o='`);
  }
}

const SIZE = /^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$/i;
const POWERS = ['', 'k', 'm', 'g', 't', 'p'];

/** Bytes of the option `size`; 0: no limit. @throws InvalidArgument in dockerd's words. */
export function sizeLimit(name: string, options: Record<string, string>): number {
  const { size } = options;
  if (size === undefined) return 0;
  const [, number = '', unit = ''] = SIZE.exec(size) ?? [];
  if (number === '') throw invalidArgument(`create ${name}: invalid size: '${size}'`);
  return Math.floor(Number(number) * 1024 ** POWERS.indexOf(unit.toLowerCase()));
}

/**
 * A server that is gone would hold whoever mounts or reads one of these for minutes, and with it everything else.
 */
export function isOverTheNetwork(options: Record<string, string>): boolean {
  return /^(nfs\d?|cifs|smb3|ceph|9p|glusterfs|lustre|afs|fuse(\..*)?|fuseblk)$/.test(options['type'] ?? '');
}

/** A plain volume is a directory; one with options is a mount. */
export function needsMount(options: Record<string, string>): boolean {
  return Boolean(options['device'] || options['type']);
}

export interface ParsedMountOptions {
  /** Of {@link MountFlag}, without propagation. */
  flags: number;
  /** Of {@link MountFlag}: has to be set by a call of its own. */
  propagation: number;
  /** What the file system itself gets. */
  data: string;
}

const NODIRATIME = 2048;
const SYNCHRONOUS = 16;
const MANDLOCK = 64;
const DIRSYNC = 128;
const STRICTATIME = 1 << 24;

const SETS: Record<string, number> = {
  defaults: 0,
  ro: MountFlag.RDONLY,
  nosuid: MountFlag.NOSUID,
  nodev: MountFlag.NODEV,
  noexec: MountFlag.NOEXEC,
  sync: SYNCHRONOUS,
  dirsync: DIRSYNC,
  remount: MountFlag.REMOUNT,
  mand: MANDLOCK,
  noatime: MountFlag.NOATIME,
  nodiratime: NODIRATIME,
  relatime: MountFlag.RELATIME,
  strictatime: STRICTATIME,
  bind: MountFlag.BIND,
  rbind: MountFlag.BIND | MountFlag.REC,
};

const CLEARS: Record<string, number> = {
  rw: MountFlag.RDONLY,
  suid: MountFlag.NOSUID,
  dev: MountFlag.NODEV,
  exec: MountFlag.NOEXEC,
  async: SYNCHRONOUS,
  nomand: MANDLOCK,
  atime: MountFlag.NOATIME,
  diratime: NODIRATIME,
  norelatime: MountFlag.RELATIME,
  nostrictatime: STRICTATIME,
};

/** Splits the `o` option as mount(8) would: words it knows become flags, the rest is the file system's. */
export function parseMountOptions(o: string): ParsedMountOptions {
  const parsed: ParsedMountOptions = { flags: 0, propagation: 0, data: '' };
  const data: string[] = [];
  for (const word of o.split(',').filter(Boolean)) {
    if (word in SETS) parsed.flags |= SETS[word] ?? 0;
    else if (word in CLEARS) parsed.flags &= ~(CLEARS[word] ?? 0);
    else if (isPropagation(word)) parsed.propagation |= PROPAGATION_FLAGS[word];
    else data.push(word);
  }
  return { ...parsed, data: data.join(',') };
}

const isPropagation = (word: string): word is Propagation => word in PROPAGATION_FLAGS;
