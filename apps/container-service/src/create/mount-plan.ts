import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import type { ContainerConfig, HostConfig, MountRequest } from '../records/api-documents';
import type { ContainerMount } from '../records/container-record';

/** A mount as it was asked for. Volumes have no source yet: the volume service says where they are. */
export interface PlannedMount extends ContainerMount {
  driverOptions?: Record<string, string>;
  labels?: Record<string, string>;
}

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
const CONSISTENCIES = ['consistent', 'cached', 'delegated', 'default'];
const LABEL_MODES = ['z', 'Z'];

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
  const explicit = [
    ...(hostConfig.Binds ?? []).map((bind) => parseBind(bind, hostConfig.VolumeDriver)),
    ...(hostConfig.Mounts ?? []).flatMap((mount) => fromRequest(mount)),
  ];
  const tmpfs = Object.keys(hostConfig.Tmpfs ?? {}).map((path) => posix.normalize(path));
  const tmpfsMounts = (hostConfig.Mounts ?? [])
    .filter((mount) => mount.Type === 'tmpfs')
    .map((m) => m.Target);
  const seen = new Set<string>();
  for (const destination of [...explicit.map((mount) => mount.Destination), ...tmpfs, ...tmpfsMounts]) {
    if (seen.has(destination)) throw invalidArgument(`Duplicate mount point: ${destination}`);
    seen.add(destination);
  }
  const plan = [...inherited.filter((mount) => !seen.has(mount.Destination)), ...explicit];
  for (const mount of plan) seen.add(mount.Destination);
  for (const path of Object.keys(config.Volumes ?? {})) {
    const destination = destinationOf(path, path);
    if (seen.has(destination)) continue;
    seen.add(destination);
    plan.push(volume('', destination, { driver: hostConfig.VolumeDriver }));
  }
  return plan;
}

/** What `--volumes-from container[:mode]` takes over. */
export function inheritedMounts(mounts: ContainerMount[], mode: string): PlannedMount[] {
  if (!['', 'ro', 'rw', 'z', 'Z'].includes(mode)) throw invalidArgument(`invalid mode: ${mode}`);
  return mounts.map((mount) => ({
    ...mount,
    RW: mount.RW && mode !== 'ro',
    copyUp: false,
  }));
}

/** `-v source:destination[:options]`. */
function parseBind(spec: string, driver: string): PlannedMount {
  const parts = spec.split(':');
  const [source = '', target = '', mode = ''] = parts;
  if (parts.length < 2 || parts.length > 3 || source === '' || target === '') {
    if (parts.length === 1 && source !== '') return volume('', destinationOf(source, spec), { driver });
    throw invalidArgument(`invalid volume specification: '${spec}'`);
  }
  if (!target.startsWith('/')) {
    throw invalidArgument(
      `invalid volume specification: '${spec}': invalid mount config for type "${source.startsWith('/') ? 'bind' : 'volume'}": invalid mount path: '${target}' mount path must be absolute`,
    );
  }
  const destination = destinationOf(target, spec);
  const options = mode === '' ? [] : mode.split(',');
  const isBind = source.startsWith('/');
  checkBindOptions(options, mode, isBind);
  const readonly = options.includes('ro');
  if (isBind) {
    const propagation = options.find((option) => PROPAGATIONS.includes(option)) ?? 'rprivate';
    return { ...bindMount(posix.normalize(source), destination, readonly, propagation), Mode: mode };
  }
  checkVolumeName(source);
  return {
    ...volume(source, destination, { driver, readonly, noCopy: options.includes('nocopy') }),
    Mode: mode === '' ? 'z' : mode,
  };
}

function checkBindOptions(options: string[], mode: string, isBind: boolean): void {
  const groups = [
    options.filter((option) => option === 'ro' || option === 'rw'),
    options.filter((option) => LABEL_MODES.includes(option)),
    options.filter((option) => isBind && PROPAGATIONS.includes(option)),
    options.filter((option) => CONSISTENCIES.includes(option)),
    options.filter((option) => option === 'nocopy'),
  ];
  const known = groups.flat().length === options.length;
  if (!known || groups.some((group) => group.length > 1)) throw invalidArgument(`invalid mode: ${mode}`);
}

/** `--mount`. tmpfs is no mount point of the record: the specification takes it from the HostConfig. */
function fromRequest(request: MountRequest): PlannedMount[] {
  const wrong = (reason: string) =>
    invalidArgument(`invalid mount config for type "${request.Type}": ${reason}`);
  if (!request.Target) throw wrong('field Target must not be empty');
  if (!request.Target.startsWith('/')) {
    throw wrong(`invalid mount path: '${request.Target}' mount path must be absolute`);
  }
  const destination = posix.normalize(request.Target);
  if (destination === '/') throw wrong("invalid specification: destination can't be '/'");
  switch (request.Type) {
    case 'bind': {
      const { Propagation, NonRecursive, CreateMountpoint } = request.BindOptions ?? {};
      if (!request.Source) throw wrong('field Source must not be empty');
      if (!request.Source.startsWith('/')) {
        throw wrong(`invalid mount path: '${request.Source}' mount path must be absolute`);
      }
      if (Propagation && !PROPAGATIONS.includes(Propagation)) {
        throw wrong(`invalid propagation mode: ${Propagation}`);
      }
      if (request.BindOptions?.ReadOnlyForceRecursive) {
        throw notImplemented('bind mounts with ReadOnlyForceRecursive are not supported yet');
      }
      if (!CreateMountpoint && !existsSync(request.Source)) {
        throw wrong(`bind source path does not exist: ${request.Source}`);
      }
      const mount = bindMount(
        posix.normalize(request.Source),
        destination,
        request.ReadOnly ?? false,
        Propagation || 'rprivate',
      );
      return [{ ...mount, recursive: !NonRecursive, createSource: CreateMountpoint ?? false }];
    }
    case 'volume': {
      const { NoCopy, Labels, DriverConfig, Subpath } = request.VolumeOptions ?? {};
      if (request.Source) checkVolumeName(request.Source);
      const mount = volume(request.Source ?? '', destination, {
        driver: DriverConfig?.Name ?? '',
        readonly: request.ReadOnly,
        noCopy: NoCopy,
      });
      return [
        { ...mount, Mode: 'z', subpath: Subpath, driverOptions: DriverConfig?.Options, labels: Labels },
      ];
    }
    case 'tmpfs':
      if (request.Source) throw wrong('field Source must not be specified');
      return [];
    case 'image':
    case 'cluster':
    case 'npipe':
      throw notImplemented(`mounts of type "${request.Type}" are not supported yet`);
    default:
      throw invalidArgument(`mount type unknown: "${request.Type}"`);
  }
}

function destinationOf(path: string, spec: string): string {
  if (!path.startsWith('/')) {
    throw invalidArgument(
      `invalid volume specification: '${spec}': invalid mount path: '${path}' mount path must be absolute`,
    );
  }
  const destination = posix.resolve('/', path);
  if (destination === '/') {
    throw invalidArgument(
      `invalid volume specification: '${spec}': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
    );
  }
  return destination;
}

function checkVolumeName(name: string): void {
  if (VOLUME_NAME.test(name)) return;
  throw invalidArgument(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

function bindMount(
  source: string,
  destination: string,
  readonly: boolean,
  propagation: string,
): PlannedMount {
  return {
    Type: 'bind',
    Source: source,
    Destination: destination,
    Mode: '',
    RW: !readonly,
    Propagation: propagation,
    copyUp: false,
    createSource: true,
    recursive: true,
    anonymous: false,
  };
}

function volume(
  name: string,
  destination: string,
  options: { driver: string; readonly?: boolean; noCopy?: boolean },
): PlannedMount {
  return {
    Type: 'volume',
    Name: name,
    Source: '',
    Destination: destination,
    Driver: options.driver || 'local',
    Mode: '',
    RW: !options.readonly,
    Propagation: '',
    copyUp: !options.noCopy,
    createSource: false,
    recursive: true,
    anonymous: name === '',
  };
}
