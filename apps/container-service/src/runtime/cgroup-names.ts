import { join } from 'node:path';
import type { InstanceConfig } from '@gantry/shared/config';

type Names = Pick<InstanceConfig, 'cgroupDriver' | 'cgroupParent' | 'instance'>;

/** Where systemd puts what it is not told otherwise, as dockerd's containers. */
const DEFAULT_SLICE = 'system.slice';

/**
 * The group of a container, below the root of every hierarchy. `parent`: of `--cgroup-parent`. With systemd it is the scope, in which crun
 * makes a group for the processes and their limits: those of a scope itself systemd forgets at its next reload.
 */
export function containerGroup(config: Names, id: string, parent: string): string {
  if (config.cgroupDriver === 'cgroupfs') {
    return join(parent === '' ? config.cgroupParent : join('/', parent), id);
  }
  return join('/', slicePath(parent || DEFAULT_SLICE), `${config.instance}-${id}.scope`);
}

/** The same for the OCI specification: a path, or what systemd is to make (`slice:prefix:name`). */
export function ociCgroupsPath(config: Names, id: string, parent: string): string {
  if (config.cgroupDriver === 'cgroupfs') return containerGroup(config, id, parent);
  return `${parent || DEFAULT_SLICE}:${config.instance}:${id}`;
}

/** `a-b.slice` is in `a.slice`, and `-.slice` is the root (systemd.slice(5)). */
function slicePath(slice: string): string {
  const parts = slice
    .replace(/\.slice$/, '')
    .split('-')
    .filter(Boolean);
  return parts.map((_, index) => `${parts.slice(0, index + 1).join('-')}.slice`).join('/');
}

/** Whether systemd made the group, or the one above it. */
export function isInScope(group: string): boolean {
  return /\.scope(\/|$)/.test(group);
}
