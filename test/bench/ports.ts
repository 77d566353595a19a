// npm run bench:ports: containers with published ports, and whether one more costs the same when there are thousands.
import { runBench } from './bench';
import { BENCH_IMAGE, BENCH_LABEL, type BenchEngine } from './engine';
import { interleaved, timed } from './workloads';

/** Below the ports that the kernel and the engines choose themselves. */
const FIRST_PORT = 10_000;
const PORTS_A_CONTAINER = 500;
/** dockerd starts two processes a port, and takes part with a single one only. */
const SIZES = [1, 500, 5_000];

runBench('gbports', { cycles: 20 }, async ({ engines, table, options }) => {
  const { cycles } = options;
  const published = await interleaved(engines, cycles, (engine) => run(engine, ['-p', '80']));
  table.samples('docker run --rm -p 80 busybox true, ms', published);
  table.samples(
    'docker run --rm busybox true, ms',
    await interleaved(engines, cycles, (engine) => run(engine, [])),
  );
  table.samples('start with a published port, ms', await starts(engines, cycles));

  const gantry = engines.slice(0, 1);
  let held = 0;
  for (const size of SIZES) {
    while (held < size - 1) {
      const count = Math.min(PORTS_A_CONTAINER, size - 1 - held);
      for (const engine of gantry) await hold(engine, FIRST_PORT + held, count);
      held += count;
    }
    table.samples(`  as port number ${size}`, await starts(gantry, cycles));
  }
});

async function run(engine: BenchEngine, options: string[]): Promise<void> {
  const label = ['--label', `${BENCH_LABEL}=1`];
  const { code, stderr } = await engine.docker(['run', '--rm', ...label, ...options, BENCH_IMAGE, 'true']);
  if (code !== 0) throw new Error(`${engine.name}: docker run ended with ${code}: ${stderr}`);
}

/** Of the start alone, milliseconds by engine name; one engine after the other, after one warm-up of each. */
async function starts(engines: BenchEngine[], rounds: number): Promise<Map<string, number[]>> {
  const samples = new Map<string, number[]>(engines.map((engine) => [engine.name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const engine of engines) {
      const id = await createPublished(engine, { '80/tcp': [{ HostPort: '' }] });
      const took = await timed(() => engine.call('POST', `/containers/${id}/start`));
      await engine.call('DELETE', `/containers/${id}?force=1`);
      if (round > 0) samples.get(engine.name)?.push(took);
    }
  }
  return samples;
}

/** A container that has `count` ports from `first` on until the end. */
async function hold(engine: BenchEngine, first: number, count: number): Promise<void> {
  const ports = Array.from({ length: count }, (_, index) => `${first + index}`);
  const id = await createPublished(
    engine,
    Object.fromEntries(ports.map((port) => [`${port}/tcp`, [{ HostPort: port }]])),
  );
  await engine.call('POST', `/containers/${id}/start`);
}

async function createPublished(engine: BenchEngine, PortBindings: object): Promise<string> {
  const { Id } = await engine.call<{ Id: string }>('POST', '/containers/create', {
    Image: BENCH_IMAGE,
    Cmd: ['sleep', '600'],
    Labels: { [BENCH_LABEL]: '1' },
    HostConfig: { PortBindings },
  });
  return Id;
}
