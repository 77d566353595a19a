import { posix } from 'node:path';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import { plannedBind, plannedVolume, PROPAGATIONS, type PlannedMount } from './planned-mount';

/** Of each group a mode may name one. */
const MODES = {
  access: ['ro', 'rw'],
  label: ['z', 'Z'],
  propagation: PROPAGATIONS,
  copy: ['nocopy'],
  consistency: ['consistent', 'cached', 'delegated'],
};

/** `-v [source:]destination[:mode]`. @throws InvalidArgument in dockerd's words. */
export function parseBind(spec: string, volumeDriver: string): PlannedMount {
  const invalid = (why = '') => invalidArgument(`invalid volume specification: '${spec}'${why}`);
  const parts = spec.split(':');
  const [first = '', second = '', mode = ''] = parts;
  if (first === '' || parts.length > 3) throw invalid();
  // `/foo:ro` has no destination.
  if (parts.length === 2 && isMountMode(second)) throw invalid();
  checkMountMode(mode);
  const [source, target] = parts.length === 1 ? ['', first] : [first, second];
  try {
    return { ...planned(source, target, mode.split(','), volumeDriver), Mode: mode || defaultMode(source) };
  } catch (error) {
    throw invalid(`: ${messageOf(error)}`);
  }
}

/** The destination of an image's or a container's VOLUME; a relative one is from the root on. @throws InvalidArgument */
export function volumeDestination(path: string): string {
  try {
    return destinationOf('volume', path === '' ? '' : posix.resolve('/', path));
  } catch (error) {
    throw invalidArgument(`invalid volume specification: '${path}': ${messageOf(error)}`);
  }
}

/** `--volumes-from container[:mode]`. @throws InvalidArgument */
export function parseVolumesFrom(spec: string): { container: string; mode: string } {
  if (spec === '') throw invalidArgument('volumes-from specification cannot be an empty string');
  const colon = spec.indexOf(':');
  const [container, mode] = colon < 0 ? [spec, ''] : [spec.slice(0, colon), spec.slice(colon + 1)];
  checkInheritedMode(mode);
  return { container, mode };
}

/** Only access and label can be set. */
function checkInheritedMode(mode: string): void {
  checkMountMode(mode);
  const fixed = [...MODES.propagation, ...MODES.copy];
  if (mode.split(',').some((word) => fixed.includes(word))) throw invalidArgument(`invalid mode: ${mode}`);
}

function planned(source: string, target: string, mode: string[], volumeDriver: string): PlannedMount {
  const type = source.startsWith('/') ? 'bind' : 'volume';
  const destination = destinationOf(type, target);
  const readonly = mode.includes('ro');
  const propagation = mode.find((word) => PROPAGATIONS.includes(word));
  const noCopy = mode.includes('nocopy');
  const extra = type === 'bind' ? noCopy && 'VolumeOptions' : propagation && 'BindOptions';
  if (extra) {
    throw invalidArgument(`invalid mount config for type "${type}": field ${extra} must not be specified`);
  }
  return type === 'bind'
    ? plannedBind(source, destination, { readonly, propagation })
    : plannedVolume(source, destination, { driver: volumeDriver, readonly, noCopy });
}

/** What inspect shows of a named volume without a mode. */
const defaultMode = (source: string): string => (source === '' || source.startsWith('/') ? '' : 'z');

function destinationOf(type: string, path: string): string {
  const wrong = (why: string) => invalidArgument(`invalid mount config for type "${type}": ${why}`);
  if (path === '') throw wrong('field Target must not be empty');
  if (posix.normalize(path) === '/') throw wrong("invalid specification: destination can't be '/'");
  if (!path.startsWith('/')) throw wrong(`invalid mount path: '${path}' mount path must be absolute`);
  return posix.resolve('/', path);
}

function checkMountMode(mode: string): void {
  if (!isMountMode(mode)) throw invalidArgument(`invalid mode: ${mode}`);
}

function isMountMode(mode: string): boolean {
  if (mode === '') return true;
  const words = mode.split(',');
  const groups = Object.values(MODES).map((known) => words.filter((word) => known.includes(word)));
  return groups.flat().length === words.length && groups.every((group) => group.length <= 1);
}
