// npm run bench: the life of containers.
import { type ServiceName, type TestInstance } from '../support/test-instance';
import { runBench } from './bench';
import type { BenchEngine } from './engine';
import { pssOf, processesBehind } from './processes';
import { median } from './statistics';
import type { Table } from './table';
import { interleaved, parallel, runCommand } from './workloads';

const SERVICES: ServiceName[] = ['gateway', 'image', 'container', 'volume', 'network'];
const PARALLEL = { count: 64, width: 8, rounds: 3 };

runBench('gbrun', { cycles: 20, containers: 1000 }, async ({ instance, engines, table, options }) => {
  const { cycles, containers } = options;
  table.row(
    'memory at rest, PSS MiB',
    engines.map((engine) => memoryOf(engine, instance)),
  );
  table.samples(
    'create+start+wait+remove, ms',
    await interleaved(engines, cycles, (engine) => engine.cycle()),
  );
  table.samples('docker run --rm busybox true, ms', await interleaved(engines, cycles, runCommand));
  await compareParallel(engines, table);

  for (const engine of engines) {
    for (let made = 0; made < containers; made += 1) await engine.create(['true']);
  }
  table.samples(
    `list of ${containers} containers, ms`,
    await interleaved(engines, cycles, (engine) => engine.call('GET', '/containers/json?all=1')),
  );
});

function memoryOf(engine: BenchEngine, instance: TestInstance): number {
  return pssOf(
    engine.name === 'gantry'
      ? SERVICES.map((service) => instance.pid(service))
      : processesBehind(engine.socketPath),
  );
}

async function compareParallel(engines: BenchEngine[], table: Table): Promise<void> {
  const { count, width, rounds } = PARALLEL;
  const failures = new Map(engines.map(({ name }) => [name, 0]));
  const samples = await interleaved(engines, rounds, async (engine) => {
    const failed = await parallel(engine, count, width);
    failures.set(engine.name, (failures.get(engine.name) ?? 0) + failed);
  });
  table.row(
    `${count} containers, ${width} at a time, per second`,
    engines.map(({ name }) => count / (median(samples.get(name) ?? []) / 1000)),
  );
  table.row(
    `  failed of ${count * (rounds + 1)}`,
    engines.map(({ name }) => failures.get(name) ?? Number.NaN),
  );
}
