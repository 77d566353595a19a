import { lstatSync, readlinkSync, statfsSync } from 'node:fs';
import { internal, invalidArgument } from '../errors';
import type { OciMount, OciSpec } from './oci-spec';
import { CREATE_PREFIX } from './runtime-errors';

/** What programs that emulate parts of /proc for a container mount over (runc's list). */
const REPLACEABLE = new Set(
  ['cpuinfo', 'diskstats', 'meminfo', 'stat', 'swaps', 'uptime', 'loadavg', 'slabinfo', 'net/dev']
    .concat('sys/kernel/ns_last_pid', 'sys/crypto/fips_enabled')
    .map((name) => `/proc/${name}`),
);
const PROC_SUPER_MAGIC = 0x9fa0;
const MAX_LINKS = 255;

/** A mount as the container will see it: behind every symlink. */
interface Reached {
  at: string;
  /** Where its files are on the host; undefined: it is empty. */
  source?: string;
}

/**
 * An image, or what is in a volume, may lead a mount onto /proc: the runtime would then set up labels, sysctls and masked paths
 * in files of the container's choice (CVE-2019-16884, CVE-2019-19921). runc refuses that, crun does not.
 * @throws Internal in the words of dockerd with runc
 */
export function refuseMountsOnProc({ root, mounts }: Pick<OciSpec, 'root' | 'mounts'>): void {
  const reached: Reached[] = [];
  for (const mount of mounts.filter(({ type }) => type === 'bind' || type === 'tmpfs')) {
    const at = behindLinks(root.path, reached, mount.destination);
    const complaint = complaintOf(mount, at);
    if (complaint !== undefined) {
      const { source, destination } = mount;
      throw internal(
        `${CREATE_PREFIX}error during container init: error mounting ${JSON.stringify(source)} to rootfs at ${JSON.stringify(destination)}: ` +
          `${JSON.stringify(at)} cannot be mounted because it is ${complaint}: unknown`,
      );
    }
    reached.push({ at, ...(mount.type === 'bind' && { source: mount.source }) });
  }
}

function complaintOf({ type, source }: OciMount, at: string): string | undefined {
  if (at === '/proc') return type === 'bind' && isProc(source) ? undefined : 'not of type proc';
  return at.startsWith('/proc/') && !REPLACEABLE.has(at) ? 'inside /proc' : undefined;
}

const isProc = (source: string): boolean => statfsSync(source).type === PROC_SUPER_MAGIC;

function behindLinks(root: string, reached: Reached[], path: string): string {
  const waiting = path.split('/');
  const done: string[] = [];
  for (let links = 0; waiting.length > 0;) {
    const name = waiting.shift() ?? '';
    if (name === '' || name === '.') continue;
    if (name === '..') {
      done.pop();
      continue;
    }
    // What the kernel shows there is no file of the image.
    const target = done[0] === 'proc' ? undefined : linkAt(root, reached, `/${[...done, name].join('/')}`);
    if (target === undefined) {
      done.push(name);
      continue;
    }
    if (++links > MAX_LINKS) throw invalidArgument(`${path}: too many levels of symbolic links`);
    if (target.startsWith('/')) done.length = 0;
    waiting.unshift(...target.split('/'));
  }
  return `/${done.join('/')}`;
}

function linkAt(root: string, reached: Reached[], path: string): string | undefined {
  const cover = reached.findLast(({ at }) => path === at || path.startsWith(`${at}/`));
  if (cover?.at === path || (cover && cover.source === undefined)) return undefined;
  const file = cover ? `${cover.source}${path.slice(cover.at.length)}` : `${root}${path}`;
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(file) : undefined;
}
