import { join } from 'node:path';
import type { MountInfo } from '../mount-info';
import type { CgroupLayout } from './cgroups';

const CGROUP_ROOT = '/sys/fs/cgroup';

/**
 * The layout the mounts of this host show. `unifiedControllers` reads cgroup.controllers of the v2 tree at a path.
 * A hierarchy that is mounted several times counts at its first place below /sys/fs/cgroup.
 */
export function detectLayout(
  mounts: MountInfo[],
  unifiedControllers: (path: string) => string[],
): CgroupLayout {
  const ordered = [...mounts].sort((a, b) => rank(a) - rank(b));
  const unified = ordered.find((mount) => mount.fsType === 'cgroup2')?.mountPoint;
  const found: Record<string, string> = {};
  for (const mount of ordered.filter((candidate) => candidate.fsType === 'cgroup')) {
    for (const option of mount.superOptions) {
      const key = option.startsWith('name=') ? option.slice('name='.length) : option;
      if (!MOUNT_OPTIONS.has(key)) found[key] ??= mount.mountPoint;
    }
  }
  const v1 = Object.keys(found).filter((key) => !NAMED.has(key));
  if (unified !== undefined) found.unified = unified;
  if (unified !== undefined && v1.length === 0) {
    return { version: 'v2', controllers: unifiedControllers(unified), mounts: found };
  }
  return { version: unified === undefined ? 'v1' : 'hybrid', controllers: v1, mounts: found };
}

/** Words among the options of a v1 mount that are no controllers (cgroups(7)). */
const MOUNT_OPTIONS = new Set([
  'rw',
  'ro',
  'none',
  'noprefix',
  'clone_children',
  'xattr',
  'cpuset_v2_mode',
  'favordynmods',
]);
/** Hierarchies of systemd that limit nothing. */
const NAMED = new Set(['systemd', 'elogind', 'openrc']);

function rank(mount: MountInfo): number {
  return mount.mountPoint === CGROUP_ROOT || mount.mountPoint.startsWith(`${CGROUP_ROOT}/`) ? 0 : 1;
}

/** v1 controllers this kernel has that are mounted nowhere, out of /proc/cgroups; those in the v2 tree only. */
export function missingControllers(
  layout: CgroupLayout,
  procCgroups: string,
  unifiedControllers: string[],
): string[] {
  if (layout.version !== 'hybrid') return [];
  return procCgroups
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t'))
    .filter(([name = '', , , enabled]) => enabled === '1' && unifiedControllers.includes(v2Name(name)))
    .map(([name = '']) => name)
    .filter((name) => layout.mounts[name] === undefined);
}

/** Where a v1 controller belongs. */
export function controllerMountPoint(controller: string): string {
  return join(CGROUP_ROOT, controller);
}

function v2Name(v1Name: string): string {
  return v1Name === 'blkio' ? 'io' : v1Name;
}
