import { posix } from 'node:path';
import { invalidArgument } from '@gantry/shared/errors';
import type { ContainerConfig, HostConfig } from '../records/api-documents';
import type { ContainerMount } from '../records/container-record';
import { parseBind, volumeDestination } from './bind-spec';
import { fromMountRequest } from './mount-request';
import { plannedVolume, type PlannedMount } from './planned-mount';

/**
 * All mounts of a container, in Docker's order of precedence: --volumes-from (what `inherited` has), -v, --mount, then
 * the volumes of the configuration (with the image's) where nothing is mounted yet.
 * @throws InvalidArgument in Docker's words.
 */
export function planMounts(
  config: ContainerConfig,
  hostConfig: HostConfig,
  inherited: PlannedMount[],
): PlannedMount[] {
  const requests = hostConfig.Mounts ?? [];
  const explicit = [
    ...(hostConfig.Binds ?? []).map((bind) => parseBind(bind, hostConfig.VolumeDriver)),
    ...requests.flatMap((mount) => fromMountRequest(mount)),
  ];
  const tmpfs = [
    ...Object.keys(hostConfig.Tmpfs ?? {}),
    ...requests.filter((mount) => mount.Type === 'tmpfs').map((mount) => mount.Target),
  ].map((path) => posix.normalize(path));
  const taken = new Set<string>();
  for (const destination of [...explicit.map((mount) => mount.Destination), ...tmpfs]) {
    if (taken.has(destination)) throw invalidArgument(`Duplicate mount point: ${destination}`);
    taken.add(destination);
  }
  // Of several --volumes-from the last one has its way.
  const fromOthers = new Map(inherited.map((mount) => [mount.Destination, mount]));
  const plan = [...[...fromOthers.values()].filter((mount) => !taken.has(mount.Destination)), ...explicit];
  for (const mount of plan) taken.add(mount.Destination);
  for (const path of Object.keys(config.Volumes ?? {})) {
    const destination = volumeDestination(path);
    if (taken.has(destination)) continue;
    taken.add(destination);
    plan.push(plannedVolume('', destination, { driver: hostConfig.VolumeDriver }));
  }
  return plan;
}

/** What `--volumes-from container[:mode]` takes over. */
export function inheritedMounts(mounts: ContainerMount[], mode: string): PlannedMount[] {
  const words = mode.split(',');
  return mounts.map((mount) => ({
    ...mount,
    Mode: '',
    RW: mount.RW && !words.includes('ro'),
    copyUp: false,
  }));
}
