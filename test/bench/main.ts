import { parseArgs } from 'node:util';
import { busyboxRootfs } from '../support/busybox-image';
import { TestInstance, type ServiceName } from '../support/test-instance';
import { BenchEngine } from './engine';
import { pssOf, processesBehind } from './memory';
import { median, quantile } from './statistics';
import { interleaved, parallel, runCommand } from './workloads';

const SERVICES: ServiceName[] = ['gateway', 'image', 'container', 'volume', 'network'];
const PARALLEL = { count: 64, width: 8, rounds: 3 };

const { values: options } = parseArgs({
  options: {
    against: { type: 'string', default: '' },
    cycles: { type: 'string', default: '20' },
    containers: { type: 'string', default: '1000' },
  },
});
const cycles = Number(options.cycles);
const containers = Number(options.containers);

const say = (text: string) => process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  const instance = await TestInstance.start('gbench');
  const peers = options.against
    .split(',')
    .filter((address) => address !== '')
    .map((address, index) => new BenchEngine(nameOf(address, index), address.replace('unix://', '')));
  const engines = [new BenchEngine('gantry', instance.socket), ...peers];
  try {
    const rootfs = await busyboxRootfs();
    for (const engine of engines) await engine.prepare(rootfs);
    say(
      [
        ''.padEnd(52),
        ...[...engines.map(({ name }) => name), ...peers.map(({ name }) => `/ ${name}`)].map((name) =>
          name.padStart(12),
        ),
      ].join(''),
    );
    row(
      'memory at rest, PSS MiB',
      engines.map((engine) => memoryOf(engine, instance)),
    );
    await compare('create+start+wait+remove, ms', engines, (engine) => engine.cycle());
    await compare('docker run --rm busybox true, ms', engines, runCommand);
    await compareParallel(engines);
    await compareList(engines);
  } finally {
    for (const engine of engines) await engine.tidy().catch((error: Error) => say(error.message));
    await instance.clean();
  }
}

function memoryOf(engine: BenchEngine, instance: TestInstance): number {
  return pssOf(
    engine.name === 'gantry'
      ? SERVICES.map((service) => instance.pid(service))
      : processesBehind(engine.socketPath),
  );
}

async function compare(
  what: string,
  engines: BenchEngine[],
  body: (engine: BenchEngine) => Promise<unknown>,
): Promise<void> {
  const samples = await interleaved(engines, cycles, body);
  row(
    `${what} (median of ${cycles})`,
    engines.map(({ name }) => median(samples.get(name) ?? [])),
  );
  row(
    '  95% of them at most',
    engines.map(({ name }) => quantile(samples.get(name) ?? [], 0.95)),
  );
}

async function compareParallel(engines: BenchEngine[]): Promise<void> {
  const { count, width, rounds } = PARALLEL;
  const failures = new Map(engines.map(({ name }) => [name, 0]));
  const samples = await interleaved(engines, rounds, async (engine) => {
    const failed = await parallel(engine, count, width);
    failures.set(engine.name, (failures.get(engine.name) ?? 0) + failed);
  });
  row(
    `${count} containers, ${width} at a time, per second`,
    engines.map(({ name }) => count / (median(samples.get(name) ?? []) / 1000)),
  );
  row(
    `  failed of ${count * (rounds + 1)}`,
    engines.map(({ name }) => failures.get(name) ?? Number.NaN),
  );
}

async function compareList(engines: BenchEngine[]): Promise<void> {
  for (const engine of engines) {
    for (let made = 0; made < containers; made += 1) await engine.create(['true']);
  }
  await compare(`list of ${containers} containers, ms`, engines, (engine) =>
    engine.call('GET', '/containers/json?all=1'),
  );
}

function row(what: string, figures: number[]): void {
  const [own = Number.NaN, ...others] = figures;
  const cells = [...figures, ...others.map((other) => own / other)];
  say(
    [
      what.padEnd(52),
      ...cells.map((cell) => (Number.isFinite(cell) ? cell.toFixed(2) : '-').padStart(12)),
    ].join(''),
  );
}

/** Short and different for each, whatever the addresses are. */
function nameOf(address: string, index: number): string {
  const program = /podman/.test(address) ? 'podman' : /docker/.test(address) ? 'dockerd' : 'engine';
  return index === 0 ? program : `${program}-${index + 1}`;
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  },
);
