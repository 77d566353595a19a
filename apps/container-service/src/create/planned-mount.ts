import { posix } from 'node:path';
import { invalidArgument } from '@gantry/shared/errors';
import type { ContainerMount } from '../records/container-record';

/** A mount as it was asked for. Volumes have no source yet: the volume service says where they are. */
export interface PlannedMount extends ContainerMount {
  driverOptions?: Record<string, string>;
  labels?: Record<string, string>;
}

export const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
export const DEFAULT_PROPAGATION = 'rprivate';

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** @throws InvalidArgument in the words of dockerd's local driver. */
export function checkVolumeName(name: string): void {
  if (VOLUME_NAME.test(name)) return;
  throw invalidArgument(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

export function plannedBind(
  source: string,
  destination: string,
  options: { readonly: boolean; propagation?: string },
): PlannedMount {
  return {
    Type: 'bind',
    Source: posix.normalize(source),
    Destination: destination,
    Mode: '',
    RW: !options.readonly,
    Propagation: options.propagation || DEFAULT_PROPAGATION,
    propagationByDefault: !options.propagation,
    copyUp: false,
    createSource: true,
    recursive: true,
    readonlyBelow: 'wanted',
    anonymous: false,
  };
}

/** `name` empty: an anonymous one. */
export function plannedVolume(
  name: string,
  destination: string,
  options: { driver?: string; readonly?: boolean; noCopy?: boolean } = {},
): PlannedMount {
  if (name !== '') checkVolumeName(name);
  return {
    Type: 'volume',
    Name: name,
    Source: '',
    Destination: destination,
    // Empty: whichever has it; the volume service says which.
    Driver: options.driver ?? '',
    Mode: '',
    RW: !options.readonly,
    Propagation: '',
    copyUp: !options.noCopy,
    createSource: false,
    recursive: true,
    readonlyBelow: 'wanted',
    anonymous: name === '',
  };
}
