import { invalidArgument } from '@gantry/shared/errors';

/** What the user gave with `--log-opt`, by name. */
export type LogOptions = Record<string, string>;

const SIZE = /^(\d+(?:\.\d+)?) ?([kKmMgGtTpP]?)(i?[bB])?$/;
const POWERS = 'kmgtp';

/**
 * A size in bytes, `10m`, in units of 1000 (as dockerd reads the sizes of json-file) or 1024 (all others).
 *
 * @throws InvalidArgument "invalid size: 'x'"
 */
export function parseSize(text: string, unit: 1000 | 1024): number {
  const [, number, letter = ''] = SIZE.exec(text) ?? [];
  if (number === undefined) throw invalidArgument(`invalid size: '${text}'`);
  return Math.floor(Number(number) * unit ** (POWERS.indexOf(letter.toLowerCase()) + (letter ? 1 : 0)));
}

/** @throws InvalidArgument in the words of Go's strconv */
export function parseBool(text: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw invalidArgument(`strconv.ParseBool: parsing "${text}": invalid syntax`);
}

/** @throws InvalidArgument in the words of Go's strconv */
export function parseInteger(text: string, called: 'Atoi' | 'ParseUint' = 'Atoi'): number {
  if (!(called === 'Atoi' ? /^[+-]?\d+$/ : /^\d+$/).test(text)) {
    throw invalidArgument(`strconv.${called}: parsing "${text}": invalid syntax`);
  }
  return Number(text);
}

const UNITS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 3.6e6 };

/** A duration of Go (`1.5s`, `1m30s`) in milliseconds. @throws InvalidArgument in the words of Go's time */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  const parts = text.match(/\d+(\.\d+)?(ns|us|µs|ms|s|m|h)/g);
  if (!parts || parts.join('') !== text) throw invalidArgument(`time: invalid duration "${text}"`);
  return parts.reduce((sum, part) => {
    const [, number, unit = ''] = /^([\d.]+)(\D+)$/.exec(part) ?? [];
    return sum + Number(number) * (UNITS[unit] ?? 0);
  }, 0);
}

/** Whatever `parse` throws, with more words before it. */
export function prefixed<T>(prefix: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw invalidArgument(`${prefix}${error instanceof Error ? error.message : String(error)}`);
  }
}
