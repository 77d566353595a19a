import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import type { CacheExport, CacheImport } from '@gantry/shared/queue';

/** BuildKit's CacheOptionsEntry. */
export interface CacheOptions {
  type: string;
  attributes: Readonly<Record<string, string>>;
}

/** What the names of content stores of a client begin with, where they are for caches. */
const STORE = 'local:';
/** What may be said of any cache that is written, by what it is checked with. */
const ATTRIBUTES: Readonly<Record<string, (value: string) => boolean>> = {
  mode: (value) => value === 'min' || value === 'max',
  'oci-mediatypes': (value) => value === 'true',
  'image-manifest': isBoolean,
  'ignore-error': isBoolean,
  // It is how layers are written anyway.
  compression: (value) => value === 'gzip',
  'force-compression': isBoolean,
};
/** Of each type, its own. */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  registry: ['ref'],
  local: ['dest', 'tag'],
};

function isBoolean(value: string): boolean {
  return value === 'true' || value === 'false';
}

/**
 * Where the steps of a build go. An inline cache needs nothing: every image says how its steps were made.
 * @throws InvalidArgument in BuildKit's words for a type that there is not
 */
export function cacheExportsOf(options: CacheOptions[]): CacheExport[] {
  return options
    .filter(({ type }) => type !== 'inline')
    .map(({ type, attributes }) => {
      const own = PLACES[type];
      if (!own) throw invalidArgument(`unknown cache exporter: ${JSON.stringify(type)}`);
      for (const [name, value] of Object.entries(attributes)) {
        if (!own.includes(name) && !ATTRIBUTES[name]?.(value)) {
          throw notImplemented(`cache option ${name}=${value} is not built yet`);
        }
      }
      return {
        to: placeOf(type, attributes),
        mode: attributes['mode'] === 'max' ? 'max' : 'min',
        manifest: attributes['image-manifest'] === 'false' ? 'index' : 'image',
        ignoresErrors: attributes['ignore-error'] === 'true',
      };
    });
}

function placeOf(type: string, attributes: CacheOptions['attributes']): CacheExport['to'] {
  const { ref = '', dest = '' } = attributes;
  if (type === 'registry') {
    if (ref === '') throw invalidArgument('registry cache exporter requires ref');
    return { kind: 'registry', reference: ref };
  }
  if (dest === '') throw invalidArgument('local cache exporter requires dest');
  return { kind: 'client', store: `${STORE}${dest}` };
}

/** What steps are taken from, and the types that there are not. @throws InvalidArgument in BuildKit's words */
export function cacheImportsOf(options: CacheOptions[]): { imports: CacheImport[]; unknown: string[] } {
  const imports = options.flatMap(({ type, attributes }): CacheImport[] => {
    const { ref = '', src = '', digest = '' } = attributes;
    if (type === 'registry') {
      if (ref === '') throw invalidArgument('registry cache importer requires ref');
      return [{ kind: 'registry', reference: ref }];
    }
    if (type !== 'local') return [];
    if (src === '') throw invalidArgument('local cache importer requires src');
    if (digest === '') throw invalidArgument('local cache importer requires explicit digest');
    return [{ kind: 'client', store: `${STORE}${src}`, digest }];
  });
  const types = options.map(({ type }) => type).filter((type) => type !== 'registry' && type !== 'local');
  return { imports, unknown: types };
}
