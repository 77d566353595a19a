import { invalidArgument } from '@gantry/shared/errors';
import type { Linux } from '@gantry/shared/linux';

const SIZE = /^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$/i;
const POWERS = ['', 'k', 'm', 'g', 't', 'p'];

/**
 * How far the layer of a container may grow (`--storage-opt size=`), in bytes; 0: as far as the file system.
 * `root`: where layers are. @throws InvalidArgument in the words of dockerd's overlay2
 */
export function layerLimit(
  { quotas }: Pick<Linux, 'quotas'>,
  root: string,
  options: Record<string, string>,
): number {
  // dockerd looks at the names without regard to case.
  const given = Object.entries(options).map(([name, value]) => [name.toLowerCase(), name, value] as const);
  const size = given.find(([known]) => known === 'size')?.[2];
  if (size !== undefined && !quotas.available(root)) {
    throw invalidArgument("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
  }
  const unknown = given.find(([known]) => known !== 'size')?.[1];
  if (unknown !== undefined) throw invalidArgument(`Unknown option ${unknown}`);
  if (size === undefined) return 0;
  const [, number = '', unit = ''] = SIZE.exec(size) ?? [];
  if (number === '') throw invalidArgument(`invalid size: '${size}'`);
  return Math.floor(Number(number) * 1024 ** POWERS.indexOf(unit.toLowerCase()));
}
