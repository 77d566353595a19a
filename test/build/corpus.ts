import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The name that stands in every FROM. */
export const BASE = 'corpus:base';

const CORPUS = join(process.cwd(), 'test', 'build', 'corpus');

/**
 * `classic`: dockerd's classic builder does it too, and the results are compared with its own. `buildkit`: only newer builders.
 * `errors`: refused; the last line says how.
 */
export type Shelf = 'classic' | 'buildkit' | 'errors';

export interface Case {
  name: string;
  dockerfile: string;
  /** API: query parameters of the build. */
  query: Record<string, string>;
}

/** What a request says besides the Dockerfile. `URL`: of {@link serveFiles}. */
const QUERIES: Record<string, Record<string, string>> = {
  'buildkit/run-network': { networkmode: 'default' },
  'classic/from-target': { target: 'WANTED' },
  'errors/from-missing-target': { target: 'nope' },
  'classic/argument-given': { buildargs: JSON.stringify({ GIVEN: 'given', EMPTY: '' }) },
  'classic/argument-predefined': {
    buildargs: JSON.stringify({ HTTP_PROXY: 'http://proxy', http_proxy: 'http://lower' }),
  },
  'buildkit/environment-required': { buildargs: JSON.stringify({ NEEDED: 'given' }) },
  'classic/run-arguments': { buildargs: JSON.stringify({ B: 'two' }) },
};

export function casesOf(shelf: Shelf, url: string): Case[] {
  return readdirSync(join(CORPUS, shelf))
    .sort()
    .map((file) => {
      const name = file.replace(/\.Dockerfile$/, '');
      const dockerfile = readFileSync(join(CORPUS, shelf, file), 'utf8');
      const usesUrl = /^ARG URL$/m.test(dockerfile);
      const query: Record<string, string> = usesUrl ? { buildargs: JSON.stringify({ URL: url }) } : {};
      return {
        name,
        dockerfile,
        query: { ...query, ...QUERIES[`${shelf}/${name}`] },
      };
    });
}

/** The words an error has to have. */
export function expectedError({ dockerfile }: Case): string {
  return /^# expect: (.*)$/m.exec(dockerfile)?.[1] ?? '';
}
