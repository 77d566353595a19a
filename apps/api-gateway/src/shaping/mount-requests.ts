import { invalidArgument } from '@gantry/shared/errors';
import { isObject, type JsonObject, objectOr } from './json-objects';

/** The options that belong to a type of mount; before 1.42 nobody minded those of another. */
const OPTIONS_OF = { volume: 'VolumeOptions', bind: 'BindOptions', tmpfs: 'TmpfsOptions' };

/**
 * One of HostConfig.Mounts as the newest version means it. What would change what the container sees is refused, as
 * dockerd does; the rest of what an older version did not know is dropped.
 * @throws InvalidArgument in Docker's words
 */
export function normalizeMount(mount: JsonObject, minor: number): void {
  if (minor < 42) {
    for (const [type, options] of Object.entries(OPTIONS_OF))
      if (mount['Type'] !== type) delete mount[options];
  }
  const bind = mount['BindOptions'];
  if (isObject(bind)) normalizeBindOptions(bind, minor);
  if (minor < 45 && objectOr(mount['VolumeOptions'])['Subpath']) {
    throw invalidArgument('VolumeOptions.Subpath needs API v1.45 or newer');
  }
  if (minor < 48 && mount['Type'] === 'image') {
    throw invalidArgument('Mount type "Image" needs API v1.48 or newer');
  }
}

function normalizeBindOptions(bind: JsonObject, minor: number): void {
  if (minor < 40) delete bind['NonRecursive'];
  if (minor < 42) delete bind['CreateMountpoint'];
  if (minor >= 44) return;
  if (bind['ReadOnlyForceRecursive']) {
    throw invalidArgument('BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer');
  }
  delete bind['ReadOnlyNonRecursive'];
}

/** HostConfig.VolumeDriver says nothing to volumes of Mounts. Warnings. */
export function unusedVolumeDriver(host: JsonObject): string[] {
  if (!host['VolumeDriver'] || !Array.isArray(host['Mounts'])) return [];
  const unused = (host['Mounts'] as unknown[]).map(objectOr).some((mount) => {
    const driver = objectOr(objectOr(mount['VolumeOptions'])['DriverConfig']);
    return mount['Type'] === 'volume' && !driver['Name'];
  });
  if (!unused) return [];
  return [
    'WARNING: the container-wide volume-driver configuration is ignored for volumes specified via ' +
      "'mount'. Use '--mount type=volume,volume-driver=...' instead",
  ];
}
