import { invalidArgument } from '../errors';

/** What a field of an API document may hold; null and absent are always fine. */
export type FieldType = 'string' | 'bool' | 'int' | { list: FieldType } | { map: FieldType } | Struct;

export interface Struct {
  /** As a Go engine calls it in its errors: `network.IPAM`. */
  struct: string;
  fields: Record<string, FieldType>;
}

/**
 * Fields that the struct does not have are not looked at.
 * @param path of the struct in the document, `IPAM.Config.`
 * @throws InvalidArgument as a Go engine words it, for a value that is none of its field's
 */
export function checkFieldTypes(document: object, { struct, fields }: Struct, path = ''): void {
  for (const [name, type] of Object.entries(fields)) {
    const value = (document as Record<string, unknown>)[name];
    checkValue(value, type, { struct: struct.replace(/^.*\./, ''), path: `${path}${name}` });
  }
}

function checkValue(value: unknown, type: FieldType, place: { struct: string; path: string }): void {
  if (value === null || value === undefined) return;
  const given = kindOf(value);
  if (given !== kindFor(type)) {
    const found = given === 'int' ? 'number' : given;
    throw invalidArgument(
      `json: cannot unmarshal ${found} into Go struct field ${place.struct}.${place.path} of type ${nameOf(type)}`,
    );
  }
  if (typeof type === 'string') return;
  if ('struct' in type) checkFieldTypes(value, type, `${place.path}.`);
  else if ('list' in type) for (const each of value as unknown[]) checkValue(each, type.list, place);
  else for (const each of Object.values(value)) checkValue(each, type.map, place);
}

function kindFor(type: FieldType): string {
  if (typeof type === 'string') return type;
  return 'list' in type ? 'array' : 'object';
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'number';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function nameOf(type: FieldType): string {
  if (typeof type === 'string') return type;
  if ('struct' in type) return type.struct;
  return 'list' in type ? `[]${nameOf(type.list)}` : `map[string]${nameOf(type.map)}`;
}
