import { posix } from 'node:path';
import type { ContainerMount } from '../records/container-record';

/** A mount as it was asked for. Volumes have no source yet: the volume service says where they are. */
export interface PlannedMount extends ContainerMount {
  driverOptions?: Record<string, string>;
  labels?: Record<string, string>;
}

export const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
export const DEFAULT_PROPAGATION = 'rprivate';

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

/** `name` empty: an anonymous one. Which names there can be is for the volume service to say. */
export function plannedVolume(
  name: string,
  destination: string,
  options: { driver?: string; readonly?: boolean; noCopy?: boolean } = {},
): PlannedMount {
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
