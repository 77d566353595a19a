import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { InstanceConfig } from '@gantry/shared/config';
import { invalidArgument } from '@gantry/shared/errors';

/** Put on a volume that nobody named; prune takes these first. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** The file in a volume's directory that says what it is. */
export const RECORD = 'volume.json';

/** What it holds. */
export interface VolumeRecord {
  name: string;
  driver: string;
  /** Of the local driver: `type`, `o`, `device`. */
  options: Record<string, string>;
  labels: Record<string, string>;
  /** RFC 3339, whole seconds, UTC. */
  createdAt: string;
  /** Made for a container that did not name it: removed with it on `docker rm -v`. */
  anonymous: boolean;
  /** Where the driver says `global`: the volume is there on every host that has the plugin. */
  scope?: 'global';
}

/** `<data root>/volumes`: a directory a volume. */
export const volumesRoot = (config: InstanceConfig): string => join(config.dataRoot, 'volumes');

export interface Volume {
  readonly record: VolumeRecord;
  /** The ids of the containers that have it, running or not. */
  readonly users: Set<string>;
}

/** What a driver says about a volume of its own. */
export interface VolumeDetails {
  /** Where it is on this host; empty while a plugin has it nowhere. */
  mountpoint: string;
  /** RFC 3339. */
  createdAt?: string;
  /** Anything (API: Volume, Status). */
  status?: object;
}

/** API: Volume. */
export interface ApiVolume {
  Name: string;
  Driver: string;
  Mountpoint: string;
  CreatedAt: string;
  Labels: Record<string, string> | null;
  Options: Record<string, string> | null;
  Scope: 'local' | 'global';
  /** What a plugin says about it. */
  Status?: object;
  /** Bytes, and the number of containers; only in `GET /system/df`. */
  UsageData?: { Size: number; RefCount: number };
}

export function toApi(record: VolumeRecord, { mountpoint, createdAt, status }: VolumeDetails): ApiVolume {
  const orNull = (map: Record<string, string>) => (Object.keys(map).length > 0 ? map : null);
  return {
    CreatedAt: createdAt ?? record.createdAt,
    Driver: record.driver,
    Labels: orNull(record.labels),
    Mountpoint: mountpoint,
    Name: record.name,
    Options: orNull(record.options),
    Scope: record.scope ?? 'local',
    ...(status ? { Status: status } : {}),
  };
}

export function newAnonymousName(): string {
  return randomBytes(32).toString('hex');
}

const ALLOWED = '[a-zA-Z0-9][a-zA-Z0-9_.-]';
const NAME = new RegExp(`^${ALLOWED}+$`);

/** @throws InvalidArgument. A name that passes is one safe path component that does not start with a dot. */
export function checkVolumeName(name: string): void {
  if (Buffer.byteLength(name) === 1) {
    throw invalidArgument(
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
    );
  }
  if (!NAME.test(name)) {
    throw invalidArgument(
      `create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "${ALLOWED}" ` +
        'are allowed. If you intended to pass a host directory, use absolute path',
    );
  }
}

/** @throws InvalidArgument: a container id becomes a file name. */
export function checkContainerId(id: string): void {
  if (!NAME.test(id)) throw invalidArgument(`invalid container id ${JSON.stringify(id)}`);
}
