// npm run bench:images: an image of ten layers and 500 MB through a registry on loopback, and through archives.
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageArchive } from '../support/image-archive';
import { TestRegistry } from '../support/registry';
import { putImage } from '../support/registry-image';
import { runBench } from './bench';
import type { BenchEngine } from './engine';
import { largeLayers } from './large-image';
import { interleaved } from './workloads';

const REPOSITORY = 'gantry-bench-large';

runBench('gbimages', { rounds: 5, layers: 10, mib: 50 }, async ({ instance, engines, table, options }) => {
  const registry = await TestRegistry.start();
  const directory = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  const pulled = `${registry.host}/${REPOSITORY}:1`;
  const loaded = `${REPOSITORY}:loaded`;
  const archivePath = join(directory, 'image.tar');
  try {
    const layers = await largeLayers(options.layers, options.mib);
    await putImage(registry, `${REPOSITORY}:1`, { layers: layers.map((tar) => ({ tar })) });
    writeFileSync(archivePath, (await imageArchive({ repoTag: loaded, layers })).archive);
    const mib = Math.round(statSync(archivePath).size / 2 ** 20);
    const what = (verb: string) => `${verb} ${options.layers} layers, ${mib} MiB, ms`;

    const pid = instance.pid('image');
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
    const pulls = await eachAnew(engines, options.rounds, pulled, (engine) => pull(engine, pulled));
    table.samples(what('pull'), pulls);
    const loads = await eachAnew(engines, options.rounds, loaded, (engine) => load(engine, archivePath));
    table.samples(what('load'), loads);
    for (const engine of engines) await load(engine, archivePath);
    const saves = await interleaved(engines, options.rounds, (engine) => save(engine, loaded));
    table.samples(what('save'), saves);
    table.row('memory of image-service at its peak, MiB', [peakOf(pid)]);
  } finally {
    for (const engine of engines) {
      for (const name of [pulled, loaded]) await remove(engine, name).catch(() => {});
    }
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});

/** Each time without the image: what removes it is not measured. */
async function eachAnew(
  engines: BenchEngine[],
  rounds: number,
  name: string,
  body: (engine: BenchEngine) => Promise<void>,
): Promise<Map<string, number[]>> {
  const samples = new Map<string, number[]>(engines.map((engine) => [engine.name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const engine of engines) {
      const began = performance.now();
      await body(engine);
      const took = performance.now() - began;
      // The first is the warm-up.
      if (round > 0) samples.get(engine.name)?.push(took);
      await remove(engine, name);
    }
  }
  return samples;
}

async function pull(engine: BenchEngine, name: string): Promise<void> {
  const { code, stderr } = await engine.docker(['pull', '-q', name]);
  if (code !== 0) throw new Error(`${engine.name}: docker pull ended with ${code}: ${stderr}`);
}

const remove = (engine: BenchEngine, name: string) => engine.call('DELETE', `/images/${name}`);

function load(engine: BenchEngine, archivePath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: engine.socketPath, method: 'POST', path: '/v1.41/images/load?quiet=1' },
      (incoming) => {
        let text = '';
        incoming.on('data', (part: Buffer) => (text += part.toString()));
        incoming.once('error', reject);
        incoming.once('end', () =>
          incoming.statusCode === 200 && !text.includes('errorDetail')
            ? resolve()
            : reject(new Error(`${engine.name}: load: ${incoming.statusCode} ${text}`)),
        );
      },
    );
    outgoing.once('error', reject);
    outgoing.setHeader('content-type', 'application/x-tar');
    createReadStream(archivePath, { highWaterMark: 1024 * 1024 }).pipe(outgoing);
  });
}

function save(engine: BenchEngine, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: engine.socketPath, method: 'GET', path: `/v1.41/images/${name}/get` },
      (incoming) => {
        if (incoming.statusCode !== 200) reject(new Error(`${engine.name}: save: ${incoming.statusCode}`));
        incoming.resume();
        incoming.once('error', reject);
        incoming.once('end', resolve);
      },
    );
    outgoing.once('error', reject);
    outgoing.end();
  });
}

/** VmHWM since `5` was written to clear_refs (proc(5)). */
function peakOf(pid: number): number {
  return (
    Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024
  );
}
