import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { EngineClient } from '../support/engine-client';
import { TestInstance } from '../support/test-instance';
import { CorpusEngine } from './built-image';
import { casesOf, expectedError } from './corpus';
import { serveFiles } from './corpus-context';

const FILE = join(process.cwd(), 'test', 'build', 'expected.json');

const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    record: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * Builds the corpus on an instance of its own and on the dockerd that `--against` names, in one run, and prints what differs.
 * `--record` keeps what dockerd made for the specs, and what Gantry made of the Dockerfiles dockerd's classic builder does not know.
 */
async function compare(): Promise<number> {
  if (!values.against) throw new Error('--against unix:///path/to/docker.sock is missing');
  const files = await serveFiles();
  const instance = await TestInstance.start('compare');
  const ours = new CorpusEngine(new EngineClient(instance.socket), 'compare');
  const theirs = new CorpusEngine(new EngineClient(values.against.replace(/^unix:\/\//, '')), 'compare');
  const expected = (existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {}) as Record<
    string,
    unknown
  >;
  const isWanted = ({ name }: { name: string }) => values.only === undefined || name.includes(values.only);
  let differences = 0;
  let equal = 0;
  const report = (name: string, gantry: unknown, dockerd: unknown) => {
    if (isDeepStrictEqual(gantry, dockerd)) {
      equal++;
      say(`equal    ${name}`);
      return;
    }
    differences++;
    say(`DIFFERS  ${name}`);
    for (const line of differenceOf(gantry, dockerd)) say(`         ${line}`);
  };
  try {
    await Promise.all([ours.prepare(), theirs.prepare()]);
    for (const one of casesOf('classic', files.url).filter(isWanted)) {
      const dockerd = await theirs.build(one);
      report(one.name, await ours.build(one), dockerd);
      expected[`classic/${one.name}`] = dockerd;
    }
    for (const one of casesOf('buildkit', files.url).filter(isWanted)) {
      const built = await ours.build(one);
      if (values.record) expected[`buildkit/${one.name}`] = built;
      else report(`${one.name} (as recorded)`, built, expected[`buildkit/${one.name}`]);
    }
    for (const one of casesOf('errors', files.url).filter(isWanted)) {
      const words = expectedError(one);
      const said = await ours.build(one);
      const wanted = one.name.startsWith('buildkit-') ? words : await theirs.build(one);
      const isSame = [said, wanted].every((text) => typeof text === 'string' && text.includes(words));
      report(`${one.name} (error)`, isSame ? words : said, isSame ? words : wanted);
    }
    if (values.record) writeFileSync(FILE, `${JSON.stringify(expected, null, 2)}\n`);
  } finally {
    await Promise.allSettled([ours.close(), theirs.close()]);
    await instance.clean();
    await files.close();
  }
  say(`${equal} equal, ${differences} differ`);
  return differences === 0 ? 0 : 1;
}

function differenceOf(gantry: unknown, dockerd: unknown, path = ''): string[] {
  if (isDeepStrictEqual(gantry, dockerd)) return [];
  const bothObjects = [gantry, dockerd].every((one) => typeof one === 'object' && one !== null);
  if (!bothObjects) return [`${path}: ${JSON.stringify(gantry)} instead of ${JSON.stringify(dockerd)}`];
  const [one, other] = [gantry, dockerd] as Record<string, unknown>[];
  const keys = new Set([...Object.keys(one ?? {}), ...Object.keys(other ?? {})]);
  return [...keys].flatMap((key) => differenceOf(one?.[key], other?.[key], `${path}.${key}`));
}

void compare().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(2);
  },
);
