// npm run bench:volumes: volumes over the API, a list of many, and one that many containers share.
import { readFileSync } from 'node:fs';
import { eventually } from '../support/eventually';
import { runBench } from './bench';
import { BENCH_IMAGE, BENCH_LABEL, type BenchEngine } from './engine';
import { timed } from './workloads';

const SHARED = 'gantry-bench-shared';
const WIDTH = 8;

runBench('gbvolume', { rounds: 200, volumes: 5000, containers: 500 }, async ({ engines, table, options }) => {
  const [gantry] = engines;
  if (!gantry) return;
  try {
    for (const what of ['create', 'inspect', 'remove'] as const) {
      table.samples(`${what} a volume, ms`, await eachStep(engines, options.rounds, what));
    }
    for (const engine of engines) {
      await inParallel(options.volumes, (index) => create(engine, `gantry-bench-${index}`));
    }
    const lists = new Map<string, number[]>(engines.map(({ name }) => [name, []]));
    for (let round = 0; round < 20; round += 1) {
      for (const engine of engines) {
        lists.get(engine.name)?.push(await timed(() => engine.call('GET', '/volumes')));
      }
    }
    table.samples(`list of ${options.volumes} volumes, ms`, lists);
    const commands = new Map<string, number[]>(engines.map(({ name }) => [name, []]));
    for (let round = 0; round < 5; round += 1) {
      for (const engine of engines) {
        commands.get(engine.name)?.push(await timed(() => engine.docker(['volume', 'ls', '-q'])));
      }
    }
    table.samples(`docker volume ls, ${options.volumes} volumes, ms`, commands);
    await shareOne(gantry, options.containers, (what, figure) => table.row(what, [figure]));
  } finally {
    for (const engine of engines) await removeAll(engine);
  }
});

function create(engine: BenchEngine, name: string, options: Record<string, string> = {}): Promise<unknown> {
  return engine.call('POST', '/volumes/create', {
    Name: name,
    DriverOpts: options,
    Labels: { [BENCH_LABEL]: '1' },
  });
}

/** Milliseconds of one step in the life of a volume, engine by engine in turn. */
async function eachStep(
  engines: BenchEngine[],
  rounds: number,
  measured: 'create' | 'inspect' | 'remove',
): Promise<Map<string, number[]>> {
  const samples = new Map<string, number[]>(engines.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    for (const engine of engines) {
      const name = `gantry-bench-${measured}`;
      const steps = {
        create: () => create(engine, name),
        inspect: () => engine.call('GET', `/volumes/${name}`),
        remove: () => engine.call('DELETE', `/volumes/${name}`),
      };
      for (const [step, body] of Object.entries(steps)) {
        const took = await timed(body);
        if (step === measured && round >= 0) samples.get(engine.name)?.push(took);
      }
    }
  }
  return samples;
}

/** A file system that is mounted while containers use it, and how often it is mounted then. */
async function shareOne(
  engine: BenchEngine,
  containers: number,
  row: (what: string, figure: number) => void,
): Promise<void> {
  await create(engine, SHARED, { type: 'tmpfs', device: 'tmpfs' });
  const start = async () => {
    const { Id } = await engine.call<{ Id: string }>('POST', '/containers/create', {
      Image: BENCH_IMAGE,
      Cmd: ['sleep', '3600'],
      Labels: { [BENCH_LABEL]: '1' },
      HostConfig: { Binds: [`${SHARED}:/v`], NetworkMode: 'none' },
    });
    await engine.call('POST', `/containers/${Id}/start`);
    return Id;
  };
  const ids: string[] = [];
  const took = await timed(() => inParallel(containers, async () => void ids.push(await start())));
  row(`${containers} containers with one volume started, s`, took / 1000);
  row('  mounts of the volume', mounts());
  await inParallel(ids.length, async (index) =>
    engine.call('DELETE', `/containers/${ids[index] ?? ''}?force=1`),
  );
  await eventually(() => {
    if (mounts() > 0) throw new Error('the volume is still mounted');
  });
  row('  and when they are gone', mounts());
}

function mounts(): number {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.filter((line) => line.includes(`/volumes/${SHARED}/_data `)).length;
}

async function removeAll(engine: BenchEngine): Promise<void> {
  await engine.removeContainers();
  const filters = encodeURIComponent(JSON.stringify({ label: [BENCH_LABEL] }));
  const { Volumes } = await engine.call<{ Volumes: { Name: string }[] }>(
    'GET',
    `/volumes?filters=${filters}`,
  );
  await inParallel(Volumes.length, (index) =>
    engine.call('DELETE', `/volumes/${Volumes[index]?.Name ?? ''}`),
  );
}

async function inParallel(count: number, body: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) await body(index);
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
}
