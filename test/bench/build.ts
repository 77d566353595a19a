// npm run bench:build: a Dockerfile of 20 steps, built anew and from the cache, and a large context.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runBench } from './bench';
import { BENCH_IMAGE, type BenchEngine } from './engine';
import { largeLayers } from './large-image';
import { interleaved } from './workloads';
import { TarReader, type TarEntry } from '../../packages/shared/src/tar';

const NAME = 'gantry-bench-build:1';

/** Steps of every kind, as in the Dockerfiles of applications. */
const STEPS = [
  `FROM ${BENCH_IMAGE}`,
  'ARG VERSION=1',
  'ENV APP=/srv/app',
  'WORKDIR /srv/app',
  'RUN mkdir -p /srv/app/cache && chmod 0775 /srv/app/cache',
  'COPY package.json .',
  'RUN echo "install $VERSION" > installed && for i in 1 2 3 4 5; do cp package.json dep$i; done',
  'COPY src src/',
  'RUN cat src/* > bundle && wc -c bundle',
  'RUN sha256sum bundle > bundle.sum',
  'ADD config /etc/app/',
  'RUN rm -f dep1 dep2',
  'RUN ln -s bundle current && chown 1500:1600 bundle',
  'RUN true',
  'LABEL org.example.version=1',
  'USER 1500',
  'RUN id > /tmp/whoami',
  'EXPOSE 8080',
  'ENTRYPOINT ["cat"]',
  'CMD ["/srv/app/current"]',
];

runBench('gbbuild', { rounds: 5, mib: 300 }, async ({ engines, table, options }) => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  try {
    const small = join(directory, 'small');
    writeSmallContext(small);
    const anew = await interleaved(engines, options.rounds, (engine) => build(engine, small, '--no-cache'));
    table.samples(`build ${STEPS.length} steps without cache, ms`, anew);
    const cached = await interleaved(engines, options.rounds, (engine) => build(engine, small));
    table.samples(`build ${STEPS.length} steps from the cache, ms`, cached);

    const large = join(directory, 'large');
    await writeLargeContext(large, options.mib);
    const copied = await interleaved(engines, options.rounds, (engine) => build(engine, large, '--no-cache'));
    table.samples(`build with a context of ${options.mib} MiB, ms`, copied);
  } finally {
    for (const engine of engines) await tidy(engine);
    rmSync(directory, { recursive: true, force: true });
  }
});

async function build(engine: BenchEngine, directory: string, ...more: string[]): Promise<void> {
  const { code, stdout, stderr } = await engine.docker(['build', '-t', NAME, ...more, directory]);
  if (code !== 0) throw new Error(`${engine.name}: docker build ended with ${code}: ${stdout}${stderr}`);
}

async function tidy(engine: BenchEngine): Promise<void> {
  await engine.call('DELETE', `/images/${NAME}?force=1`).catch(() => {});
  const filters = encodeURIComponent(JSON.stringify({ dangling: ['true'], until: ['0s'] }));
  if (engine.name === 'gantry') await engine.call('POST', `/images/prune?filters=${filters}`).catch(() => {});
}

function writeSmallContext(directory: string): void {
  for (const name of ['src', 'config']) mkdirSync(join(directory, name), { recursive: true });
  writeFileSync(join(directory, 'Dockerfile'), STEPS.join('\n'));
  writeFileSync(join(directory, 'package.json'), '{"name": "bench"}\n');
  for (let index = 0; index < 50; index += 1) {
    writeFileSync(join(directory, 'src', `module${index}.js`), `export const n = ${index};\n`.repeat(100));
  }
  writeFileSync(join(directory, 'config', 'app.json'), '{}\n');
}

/** The files of the layers that other benches have, as a directory. */
async function writeLargeContext(directory: string, mib: number): Promise<void> {
  mkdirSync(directory);
  writeFileSync(join(directory, 'Dockerfile'), `FROM ${BENCH_IMAGE}\nCOPY . /context/\nRUN true\n`);
  for (const layer of await largeLayers(Math.max(1, Math.round(mib / 50)), 50)) unpack(layer, directory);
}

function unpack(archive: Buffer, directory: string): void {
  let current: { entry: TarEntry; parts: Buffer[] } | undefined;
  const reader = new TarReader({
    entry: (entry) => (current = { entry, parts: [] }),
    content: (bytes) => current?.parts.push(Buffer.from(bytes)),
    endOfEntry: () => {
      if (current?.entry.type !== 'file') return;
      const path = join(directory, current.entry.name);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, Buffer.concat(current.parts));
    },
  });
  reader.write(archive);
}
