import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { invalidArgument, notImplemented, type EngineError } from '@gantry/shared/errors';
import type { MountRequest } from '../records/api-documents';
import { plannedBind, plannedVolume, PROPAGATIONS, type PlannedMount } from './planned-mount';

type Wrong = (why: string) => EngineError;

/** The options that only one type of mount has. */
const OPTIONS = {
  bind: 'BindOptions',
  volume: 'VolumeOptions',
  tmpfs: 'TmpfsOptions',
  image: 'ImageOptions',
} as const;
const TMPFS_OPTIONS = ['exec', 'noexec'];

/**
 * `--mount`. Nothing comes of a tmpfs: it is no mount point of the record, the specification takes it from the HostConfig.
 * @throws InvalidArgument in dockerd's words.
 */
export function fromMountRequest(request: MountRequest): PlannedMount[] {
  const wrong: Wrong = (why) =>
    invalidArgument(`invalid mount config for type "${request.Type ?? ''}": ${why}`);
  const destination = destinationOf(request, wrong);
  if (request.Type && request.Type in OPTIONS) {
    for (const [type, field] of Object.entries(OPTIONS)) {
      if (type !== request.Type && request[field]) throw wrong(`field ${field} must not be specified`);
    }
  }
  switch (request.Type) {
    case 'bind':
      return [bindOf(request, destination, wrong)];
    case 'volume':
      return [volumeOf(request, destination, wrong)];
    case 'tmpfs':
      checkTmpfs(request, wrong);
      return [];
    case 'image':
      return [imageOf(request, destination, wrong)];
    case 'cluster':
      throw notImplemented('cluster volumes are not supported: this node is not part of a swarm');
    default:
      throw wrong('mount type unknown');
  }
}

function destinationOf({ Target }: MountRequest, wrong: Wrong): string {
  if (!Target) throw wrong('field Target must not be empty');
  const destination = posix.normalize(Target);
  if (destination === '/') throw wrong("invalid specification: destination can't be '/'");
  if (!Target.startsWith('/')) throw wrong(`invalid mount path: '${Target}' mount path must be absolute`);
  return posix.resolve('/', destination);
}

function bindOf(request: MountRequest, destination: string, wrong: Wrong): PlannedMount {
  const { Source, BindOptions = {} } = request;
  const { Propagation, NonRecursive, CreateMountpoint, ReadOnlyNonRecursive, ReadOnlyForceRecursive } =
    BindOptions;
  if (!Source) throw wrong('field Source must not be empty');
  if (Propagation && !PROPAGATIONS.includes(Propagation)) {
    throw wrong(`invalid propagation mode: ${Propagation}`);
  }
  if (!Source.startsWith('/')) throw wrong(`invalid mount path: '${Source}' mount path must be absolute`);
  if (ReadOnlyNonRecursive && ReadOnlyForceRecursive) {
    throw wrong('ReadOnlyNonRecursive and ReadOnlyForceRecursive are mutually exclusive');
  }
  if (!CreateMountpoint && !existsSync(Source)) throw wrong(`bind source path does not exist: ${Source}`);
  return {
    ...plannedBind(Source, destination, { readonly: request.ReadOnly ?? false, propagation: Propagation }),
    recursive: !NonRecursive,
    createSource: CreateMountpoint ?? false,
    readonlyBelow: ReadOnlyForceRecursive ? 'required' : ReadOnlyNonRecursive ? 'no' : 'wanted',
  };
}

function volumeOf(request: MountRequest, destination: string, wrong: Wrong): PlannedMount {
  const { NoCopy, Labels, DriverConfig, Subpath } = request.VolumeOptions ?? {};
  if (Subpath) {
    if (!request.Source) throw wrong('must not set Subpath when using anonymous volumes');
    if (!isLocal(Subpath)) throw wrong('subpath must be a relative path within the volume');
  }
  return {
    ...plannedVolume(request.Source ?? '', destination, {
      driver: DriverConfig?.Name,
      readonly: request.ReadOnly,
      noCopy: NoCopy,
    }),
    Mode: 'z',
    subpath: Subpath,
    driverOptions: DriverConfig?.Options,
    labels: Labels,
  };
}

/** Always read-only: an image is the same for everybody. */
function imageOf(request: MountRequest, destination: string, wrong: Wrong): PlannedMount {
  const { Subpath } = request.ImageOptions ?? {};
  if (!request.Source) throw wrong('field Source must not be empty');
  if (Subpath && !isLocal(Subpath)) throw wrong('subpath must be a relative path within the volume');
  return {
    ...plannedBind('/', destination, { readonly: true }),
    Type: 'image',
    Name: request.Source,
    Propagation: '',
    propagationByDefault: undefined,
    createSource: false,
    subpath: Subpath,
  };
}

function checkTmpfs({ Source, TmpfsOptions }: MountRequest, wrong: Wrong): void {
  if (Source) throw wrong('field Source must not be specified');
  for (const option of TmpfsOptions?.Options ?? []) {
    if (option.length < 1 || option.length > 2) throw wrong('invalid option array length');
    if (!TMPFS_OPTIONS.includes(option[0] ?? '')) throw wrong(`invalid option: ${option[0]}`);
  }
}

/** Relative, and never above where it starts. */
function isLocal(path: string): boolean {
  const clean = posix.normalize(path);
  return !path.startsWith('/') && clean !== '..' && !clean.startsWith('../');
}
