import type { Filters } from '@gantry/proto/common';
import { invalidArgument } from '@gantry/shared/errors';

/** Go's net/url takes neither for what it means elsewhere. */
const NOT_IN_A_QUERY = /;|%(?![0-9a-f]{2}).{0,2}/i;
const FALSE_WORDS = ['', '0', 'no', 'false', 'none'];

/** The query of a request, read as dockerd reads it. Every error is InvalidArgument in its words. */
export class QueryParameters {
  private readonly values: URLSearchParams;

  /** @param form parameters from the body, which come first */
  constructor(url: string, form = '') {
    const start = url.indexOf('?');
    const query = [form, start < 0 ? '' : url.slice(start + 1)].filter((part) => part !== '').join('&');
    const wrong = NOT_IN_A_QUERY.exec(query)?.[0];
    if (wrong === ';') throw invalidArgument('invalid semicolon separator in query');
    if (wrong !== undefined) throw invalidArgument(`invalid URL escape ${JSON.stringify(wrong)}`);
    this.values = new URLSearchParams(query);
  }

  has(name: string): boolean {
    return this.values.has(name);
  }

  /** The first value; '' where there is none. */
  text(name: string): string {
    return this.values.get(name) ?? '';
  }

  list(name: string): string[] {
    return this.values.getAll(name);
  }

  /** Anything but "", 0, no, false and none is true. */
  flag(name: string, absent = false): boolean {
    const value = this.values.get(name);
    if (value === null || value === '') return absent;
    return !FALSE_WORDS.includes(value.trim().toLowerCase());
  }

  /** undefined where absent or empty. */
  integer(name: string): number | undefined {
    const value = this.text(name);
    if (value === '') return undefined;
    if (!/^[+-]?\d+$/.test(value)) {
      throw invalidArgument(`strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
    }
    const number = Number(value);
    if (Math.abs(number) > 0x7fffffff) {
      throw invalidArgument(`strconv.Atoi: parsing ${JSON.stringify(value)}: value out of range`);
    }
    return number;
  }

  /** Bytes; 0 where absent. */
  bytes(name: string): number {
    const value = this.text(name);
    if (value !== '' && !/^\d{1,18}$/.test(value)) {
      throw invalidArgument(`${name} is in bytes and expects an integer, got ${value}`);
    }
    return Number(value);
  }

  /** The `h` and `w` of a resize. */
  terminalSize(): { rows: number; columns: number } {
    const size = (name: string, meaning: string) => {
      const value = this.text(name);
      if (!/^\d+$/.test(value) || Number(value) > 0xffffffff) {
        const why = /^-?\d+$/.test(value) ? 'value out of range' : 'invalid syntax';
        throw invalidArgument(`invalid resize ${meaning} ${JSON.stringify(value)}: ${why}`);
      }
      return Number(value);
    };
    return { rows: size('h', 'height'), columns: size('w', 'width') };
  }

  filters(): Filters {
    return parseFilters(this.text('filters'));
  }
}

/** Both notations: `{"label": ["a"]}` and `{"label": {"a": true}}`. */
export function parseFilters(json: string): Filters {
  const terms: Filters['terms'] = {};
  if (json === '') return { terms };
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw invalidArgument('invalid filter');
  }
  if (parsed === null) return { terms };
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw invalidArgument('invalid filter');
  for (const [name, given] of Object.entries(parsed)) {
    terms[name] = { values: filterValues(given) };
  }
  return { terms };
}

function filterValues(given: unknown): string[] {
  if (Array.isArray(given) && given.every((value) => typeof value === 'string')) return given as string[];
  if (given !== null && typeof given === 'object' && !Array.isArray(given)) {
    if (Object.values(given).every((value) => typeof value === 'boolean')) return Object.keys(given);
  }
  throw invalidArgument('invalid filter');
}
