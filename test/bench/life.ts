// npm run bench:life: what containers cost that live on: exec, start and stop, idling, health checks.
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServiceName, type TestInstance } from '../support/test-instance';
import { runBench } from './bench';
import { BENCH_IMAGE, BENCH_LABEL, type BenchEngine } from './engine';
import { cpuSecondsOf, monitorsOf, pssOf, processesBehind } from './processes';
import { interleaved, timed } from './workloads';

const SERVICES: ServiceName[] = ['gateway', 'image', 'container', 'volume', 'network'];
/** How many requests are made at once to fill an engine. */
const WIDTH = 4;

runBench(
  'gblife',
  { cycles: 20, idle: 200, checked: 100, seconds: 15 },
  async ({ instance, engines, table, options }) => {
    const { cycles, idle, checked, seconds } = options;
    const of = async <T>(measure: (engine: BenchEngine) => Promise<T>): Promise<T[]> => {
      const figures: T[] = [];
      for (const engine of engines) figures.push(await measure(engine));
      return figures;
    };

    const ids = new Map<BenchEngine, string>();
    for (const engine of engines) ids.set(engine, await running(engine));
    const id = (engine: BenchEngine) => ids.get(engine) ?? '';
    table.samples(
      'docker exec true, ms',
      await interleaved(engines, cycles, async (engine) => {
        const { code, stderr } = await engine.docker(['exec', id(engine), 'true']);
        if (code !== 0) throw new Error(`${engine.name}: docker exec: ${stderr}`);
      }),
    );
    table.samples(
      'exec over the API: create, start detached, ms',
      await interleaved(engines, cycles, (engine) => execDetached(engine, id(engine))),
    );

    const starts = new Map(engines.map(({ name }) => [name, [] as number[]]));
    const stops = new Map(engines.map(({ name }) => [name, [] as number[]]));
    for (let round = 0; round <= cycles; round += 1) {
      for (const engine of engines) {
        const stop = await timed(() => engine.call('POST', `/containers/${id(engine)}/stop`));
        const start = await timed(() => engine.call('POST', `/containers/${id(engine)}/start`));
        if (round === 0) continue;
        stops.get(engine.name)?.push(stop);
        starts.get(engine.name)?.push(start);
      }
    }
    table.samples('start, ms', starts);
    table.samples('stop (of what ends at once), ms', stops);
    for (const engine of engines) await engine.removeContainers();

    table.row(
      `${idle} idle containers, PSS MiB each`,
      await of((engine) => memoryOfIdle(engine, instance, idle)),
    );
    table.row(
      `${checked} health checks a second, CPU s/s`,
      await of((engine) => cpuOfChecks(engine, instance, checked, seconds)),
    );
  },
);

/** A container that a stop ends at once. */
async function running(engine: BenchEngine, more: object = {}): Promise<string> {
  const { Id } = await engine.call<{ Id: string }>('POST', '/containers/create', {
    Image: BENCH_IMAGE,
    Cmd: ['sleep', '100000'],
    StopSignal: 'KILL',
    Labels: { [BENCH_LABEL]: '1' },
    ...more,
  });
  await engine.call('POST', `/containers/${Id}/start`);
  return Id;
}

async function execDetached(engine: BenchEngine, container: string): Promise<void> {
  const { Id } = await engine.call<{ Id: string }>('POST', `/containers/${container}/exec`, {
    Cmd: ['true'],
  });
  await engine.call('POST', `/exec/${Id}/start`, { Detach: true });
}

async function fill(engine: BenchEngine, count: number, more: object = {}): Promise<string[]> {
  const made: string[] = [];
  let begun = 0;
  const worker = async () => {
    while (begun < count) {
      begun += 1;
      made.push(await running(engine, more));
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  return made;
}

/** Another bench beside this one may have tidied them away. */
async function removeAll(engine: BenchEngine, ids: string[]): Promise<void> {
  for (const id of ids) await engine.call('DELETE', `/containers/${id}?force=1`).catch(() => {});
}

/** The processes of an engine, without those of its containers and their monitors. */
function processesOf(engine: BenchEngine, instance: TestInstance): number[] {
  return engine.name === 'gantry'
    ? SERVICES.map((service) => instance.pid(service))
    : processesBehind(engine.socketPath);
}

/** What the engine and its monitors have grown by, for each container. */
async function memoryOfIdle(engine: BenchEngine, instance: TestInstance, count: number): Promise<number> {
  const before = pssOf(processesOf(engine, instance));
  const ids = await fill(engine, count);
  await sleep(5_000);
  const after = pssOf(processesOf(engine, instance)) + pssOf(monitorsOf(ids));
  await removeAll(engine, ids);
  return (after - before) / count;
}

/** Seconds of CPU a second that the engine, its monitors and the programs they start take. */
async function cpuOfChecks(
  engine: BenchEngine,
  instance: TestInstance,
  count: number,
  seconds: number,
): Promise<number> {
  const ids = await fill(engine, count, { Healthcheck: { Test: ['CMD', 'true'], Interval: 1e9 } });
  await sleep(5_000);
  const used = () => cpuSecondsOf([...processesOf(engine, instance), ...monitorsOf(ids)]);
  const before = used();
  await sleep(seconds * 1000);
  const figure = (used() - before) / seconds;
  await removeAll(engine, ids);
  return figure;
}
