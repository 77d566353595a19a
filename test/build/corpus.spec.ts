import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { api } from '../support/engine';
import { type BuiltImage, CorpusEngine } from './built-image';
import { casesOf, expectedError } from './corpus';
import { serveFiles } from './corpus-context';

/** What dockerd's classic builder made, by `npm run compare:build -- --record`; for the others what the reference says. */
const EXPECTED = JSON.parse(
  readFileSync(join(process.cwd(), 'test', 'build', 'expected.json'), 'utf8'),
) as Record<string, BuiltImage>;

const engine = new CorpusEngine(api, 'corpus');
let files: Awaited<ReturnType<typeof serveFiles>>;
beforeAll(async () => {
  files = await serveFiles();
  await engine.prepare();
});
afterAll(async () => {
  await engine.close();
  await files.close();
});

const find = (shelf: 'classic' | 'buildkit' | 'errors', name: string) => {
  const found = casesOf(shelf, files.url).find((one) => one.name === name);
  if (!found) throw new Error(name);
  return found;
};
const names = (shelf: 'classic' | 'buildkit' | 'errors') => casesOf(shelf, '').map(({ name }) => name);

describe.each(['classic', 'buildkit'] as const)('%s', (shelf) => {
  it.each(names(shelf))('%s', async (name) => {
    expect(await engine.build(find(shelf, name))).toEqual(EXPECTED[`${shelf}/${name}`]);
  });
});

describe('errors', () => {
  it.each(names('errors'))('%s', async (name) => {
    const wrong = find('errors', name);
    expect(await engine.build(wrong)).toContain(expectedError(wrong));
  });
});
