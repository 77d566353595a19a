import { BENCH_IMAGE, BENCH_LABEL, type BenchEngine } from './engine';

/** Milliseconds of one run of `body`. */
export async function timed(body: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await body();
  return performance.now() - began;
}

/** Runs `body` on each engine in turn, A B A B ..., after one warm-up of each; milliseconds by engine name. */
export async function interleaved(
  engines: BenchEngine[],
  rounds: number,
  body: (engine: BenchEngine) => Promise<unknown>,
): Promise<Map<string, number[]>> {
  for (const engine of engines) await body(engine);
  const samples = new Map<string, number[]>(engines.map((engine) => [engine.name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const engine of engines) samples.get(engine.name)?.push(await timed(() => body(engine)));
  }
  return samples;
}

/** `docker run --rm IMAGE true` with the stock CLI. */
export async function runCommand(engine: BenchEngine): Promise<void> {
  const { code, stderr } = await engine.docker([
    'run',
    '--rm',
    '--label',
    `${BENCH_LABEL}=1`,
    BENCH_IMAGE,
    'true',
  ]);
  if (code !== 0) throw new Error(`${engine.name}: docker run ended with ${code}: ${stderr}`);
}

/** `count` cycles, `width` at a time; how many failed. */
export async function parallel(engine: BenchEngine, count: number, width: number): Promise<number> {
  let started = 0;
  let failed = 0;
  const worker = async () => {
    while (started < count) {
      started += 1;
      await engine.cycle().catch(() => {
        failed += 1;
      });
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return failed;
}
