import { readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { hasCode } from '@gantry/shared/linux';

/** The numbers in the names of the rotated files of a log, `<current>.<n>` or `<current>.<n>.gz`; the lowest first. */
export function rotatedNumbers(current: string): number[] {
  const prefix = `${basename(current)}.`;
  const numbers = namesBeside(current)
    .filter((name) => name.startsWith(prefix) && /^\d+(\.gz)?$/.test(name.slice(prefix.length)))
    .map((name) => parseInt(name.slice(prefix.length), 10));
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function namesBeside(path: string): string[] {
  try {
    return readdirSync(dirname(path));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
