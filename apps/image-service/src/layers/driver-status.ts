import { readFileSync, statfsSync } from 'node:fs';

/** By their magic numbers (statfs(2)), in dockerd's words. */
const FILE_SYSTEMS: Record<number, string> = {
  0xef53: 'extfs',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x01021994: 'tmpfs',
  0x2fc12fc1: 'zfs',
  0xf2f52010: 'f2fs',
  0x794c7630: 'overlayfs',
};

/** API: SystemInfo.DriverStatus of the layers below `dataRoot`. Overlayfs wants types of entries in directories. */
export function driverStatus(dataRoot: string): [string, string][] {
  const metacopy = isOn('/sys/module/overlay/parameters/metacopy');
  const redirects = isOn('/sys/module/overlay/parameters/redirect_dir');
  return [
    ['Backing Filesystem', FILE_SYSTEMS[statfsSync(dataRoot).type] ?? '<unknown>'],
    ['Supports d_type', 'true'],
    ['Using metacopy', String(metacopy)],
    ['Native Overlay Diff', String(!metacopy && !redirects)],
    ['userxattr', 'false'],
  ];
}

function isOn(parameter: string): boolean {
  try {
    return readFileSync(parameter, 'latin1').startsWith('Y');
  } catch {
    return false; // a kernel with overlayfs built in may not say
  }
}
