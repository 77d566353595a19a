import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { api } from '../support/engine';
import { type BuiltImage, CorpusEngine } from './built-image';
import { type Case, casesOf, expectedError, type Shelf } from './corpus';
import { serveFiles } from './corpus-context';

/** What dockerd's classic builder made, by `npm run compare:build -- --record`; for the others what the reference says. */
const EXPECTED = JSON.parse(
  readFileSync(join(process.cwd(), 'test', 'build', 'expected.json'), 'utf8'),
) as Record<string, BuiltImage>;

const SHELVES: Shelf[] = ['classic', 'buildkit', 'errors'];
/** Builds at a time. */
const LANES = 4;

const engine = new CorpusEngine(api, 'corpus');
let files: Awaited<ReturnType<typeof serveFiles>>;
let results: Map<string, Promise<BuiltImage | string>>;

beforeAll(async () => {
  files = await serveFiles();
  await engine.prepare();
  results = buildAll(
    SHELVES.flatMap((shelf) =>
      casesOf(shelf, files.url).map((one) => [`${shelf}/${one.name}`, one] as const),
    ),
  );
});
afterAll(async () => {
  await Promise.allSettled(results.values());
  await engine.close();
  await files.close();
});

/** Each test waits for its own. */
function buildAll(cases: (readonly [string, Case])[]): typeof results {
  const lanes = Array.from({ length: LANES }, (): Promise<unknown> => Promise.resolve());
  const entries = cases.map(([key, one], index) => {
    const lane = index % LANES;
    const result = (lanes[lane] ?? Promise.resolve()).then(() => engine.build(one));
    lanes[lane] = result.catch(() => {});
    return [key, result] as const;
  });
  return new Map(entries);
}

const names = (shelf: Shelf) => casesOf(shelf, '').map(({ name }) => name);

describe.each(['classic', 'buildkit'] as const)('%s', (shelf) => {
  it.each(names(shelf))('%s', async (name) => {
    expect(await results.get(`${shelf}/${name}`)).toEqual(EXPECTED[`${shelf}/${name}`]);
  });
});

describe('errors', () => {
  it.each(casesOf('errors', '').map((one) => [one.name, expectedError(one)]))('%s', async (name, words) => {
    expect(await results.get(`errors/${name}`)).toContain(words);
  });
});
