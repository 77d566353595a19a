import { invalidArgument } from '../errors';

/** What a field of an API document may hold; null and absent are always fine. `words`: one string, or a list of them. */
export type FieldType =
  'string' | 'bool' | 'int' | 'int64' | 'words' | { list: FieldType } | { map: FieldType } | Struct;

export interface Struct {
  /** As a Go engine calls it in its errors: `network.IPAM`. */
  struct: string;
  fields: Record<string, FieldType>;
}

/** A Go set is a map to structs without fields. */
export const SET: FieldType = { map: { struct: 'struct {}', fields: {} } };

/**
 * Fields that the struct does not have are not looked at.
 * @throws InvalidArgument as a Go engine words it, for a value that is none of its field's
 */
export function checkFieldTypes(document: object, { struct, fields }: Struct): void {
  checkFields(document, fields, struct.replace(/^.*\./, ''));
}

function checkFields(document: object, fields: Struct['fields'], path: string): void {
  for (const [name, type] of Object.entries(fields)) {
    checkValue((document as Record<string, unknown>)[name], type, `${path}.${name}`);
  }
}

/** @param path of the field from the document on, `CreateRequest.IPAM.Config` */
function checkValue(value: unknown, type: FieldType, path: string): void {
  if (value === null || value === undefined) return;
  if (type === 'words') {
    if (typeof value !== 'string') checkValue(value, { list: 'string' }, path);
    return;
  }
  const given = kindOf(value);
  const wanted = kindFor(type);
  if (given !== wanted) {
    const found =
      given === 'number' && wanted === 'integer'
        ? `number ${String(value)}`
        : given.replace('integer', 'number');
    throw invalidArgument(
      `invalid JSON: json: cannot unmarshal ${found} into Go struct field ${path} of type ${nameOf(type)}`,
    );
  }
  if (typeof type === 'string') return;
  if ('struct' in type) checkFields(value, type.fields, path);
  else if ('list' in type) for (const each of value as unknown[]) checkValue(each, type.list, path);
  else for (const each of Object.values(value)) checkValue(each, type.map, path);
}

/**
 * The document as Go reads it: null in a list is the zero value of its type, and so is null in a map of strings or sets.
 * It has to have passed checkFieldTypes.
 */
export function withZeroValues<T extends object>(document: T, { fields }: Struct): T {
  const entries = Object.entries(document).map(([name, value]) => {
    const type = fields[name];
    return [name, type === undefined ? (value as unknown) : withoutNulls(value, type)];
  });
  return Object.fromEntries(entries) as T;
}

function withoutNulls(value: unknown, type: FieldType): unknown {
  if (value === null || value === undefined || typeof value !== 'object') return value;
  if (type === 'words') return withoutNulls(value, { list: 'string' });
  if (typeof type === 'string') return value;
  if ('struct' in type) return withZeroValues(value, type);
  if ('list' in type)
    return (value as unknown[]).map((each) => withoutNulls(each ?? zeroOf(type.list), type.list));
  const entries = Object.entries(value as Record<string, unknown>);
  return Object.fromEntries(
    entries.map(([key, each]) => [key, withoutNulls(each ?? (type.map === 'string' ? '' : each), type.map)]),
  );
}

function zeroOf(type: FieldType): unknown {
  if (typeof type !== 'string') return 'list' in type ? [] : {};
  return type === 'bool' ? false : type === 'int' || type === 'int64' ? 0 : '';
}

function kindFor(type: FieldType): string {
  if (type === 'int' || type === 'int64') return 'integer';
  if (typeof type === 'string') return type;
  return 'list' in type ? 'array' : 'object';
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number')
    return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? 'integer' : 'number';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function nameOf(type: FieldType): string {
  if (type === 'words') return '[]string';
  if (typeof type === 'string') return type;
  if ('struct' in type) return type.struct;
  return 'list' in type ? `[]${nameOf(type.list)}` : `map[string]${nameOf(type.map)}`;
}
