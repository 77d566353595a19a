import { readdirSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { internal, invalidArgument } from '@gantry/shared/errors';
import type { HostConfig } from '../records/api-documents';
import { DEFAULT_DEVICE_RULES, type OciDevice, type OciDeviceRule } from '@gantry/shared/oci';

export interface DevicePlan {
  devices: OciDevice[];
  rules: OciDeviceRule[];
}

/** Device nodes and cgroup rules of a container. */
export function planDevices(hostConfig: HostConfig): DevicePlan {
  if (hostConfig.Privileged) {
    return { devices: allHostDevices(), rules: [{ allow: true, access: 'rwm' }] };
  }
  const devices: OciDevice[] = [];
  const rules = [...DEFAULT_DEVICE_RULES];
  for (const mapping of hostConfig.Devices ?? []) {
    const access = mapping.CgroupPermissions || 'rwm';
    const inContainer = mapping.PathInContainer || mapping.PathOnHost;
    for (const device of devicesAt(mapping.PathOnHost, inContainer)) {
      devices.push(device);
      rules.push({ allow: true, type: device.type, major: device.major, minor: device.minor, access });
    }
  }
  for (const rule of hostConfig.DeviceCgroupRules ?? []) rules.push(parseDeviceRule(rule));
  return { devices, rules };
}

/** `c 1:3 rwm`, with `*` for any number. */
export function parseDeviceRule(rule: string): OciDeviceRule {
  const match = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(rule);
  if (!match) throw invalidArgument(`invalid device cgroup rule format: '${rule}'`);
  const number = (text: string | undefined) => (text === '*' ? undefined : Number(text));
  return {
    allow: true,
    type: match[1],
    major: number(match[2]),
    minor: number(match[3]),
    access: match[4] ?? '',
  };
}

function devicesAt(hostPath: string, inContainer: string): OciDevice[] {
  let status: Stats;
  try {
    status = statSync(hostPath);
  } catch {
    throw internal(
      `error gathering device information while adding custom device "${hostPath}": no such file or directory`,
    );
  }
  const device = deviceOf(status, inContainer);
  if (device) return [device];
  const below = status.isDirectory() ? walk(hostPath, inContainer) : [];
  if (below.length === 0) {
    throw internal(
      `error gathering device information while adding custom device "${hostPath}": not a device node`,
    );
  }
  return below;
}

/** Of /dev, without what the runtime mounts there itself. */
function allHostDevices(): OciDevice[] {
  return walk('/dev', '/dev').filter((device) => device.path !== '/dev/console');
}

const NOT_IN_CONTAINERS = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'ptmx']);

function walk(hostDirectory: string, inContainer: string): OciDevice[] {
  return readdirSync(hostDirectory, { withFileTypes: true }).flatMap((entry) => {
    const host = join(hostDirectory, entry.name);
    const target = join(inContainer, entry.name);
    if (NOT_IN_CONTAINERS.has(entry.name)) return [];
    if (entry.isDirectory()) return walk(host, target);
    if (!entry.isCharacterDevice() && !entry.isBlockDevice()) return [];
    try {
      return deviceOf(statSync(host), target) ?? [];
    } catch {
      return []; // went away meanwhile
    }
  });
}

function deviceOf(status: Stats, path: string): OciDevice | undefined {
  if (!status.isCharacterDevice() && !status.isBlockDevice()) return undefined;
  return {
    path,
    type: status.isBlockDevice() ? 'b' : 'c',
    ...deviceNumbers(status.rdev),
    fileMode: status.mode & 0o7777,
    uid: status.uid,
    gid: status.gid,
  };
}

/** makedev(3) backwards. */
export function deviceNumbers(rdev: number): { major: number; minor: number } {
  const device = BigInt(rdev);
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}
