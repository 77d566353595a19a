// npm run bench:network-leaks: networks with containers in them, made and removed; fails where anything is left over.
import { hostNetwork, leftOver } from '../support/host-network';
import { eventually } from '../support/eventually';
import { runBench } from './bench';
import { BENCH_IMAGE, BENCH_LABEL, type BenchEngine } from './engine';

const SETTLE_MS = 30_000;

runBench(
  'gbleaks',
  { networks: 300, containers: 2, width: 4 },
  async ({ instance, engines, table, options }) => {
    const [engine] = engines;
    if (!engine) return;
    const watched = { instance: instance.name, dataRoot: instance.dataRoot, pid: instance.pid('network') };
    // What the first network brings for good (the pool, caches) is no leak.
    await cycle(engine, 'bench-leak-first', options.containers);
    const before = await eventually(() => settled(watched), SETTLE_MS);
    const began = performance.now();
    let left = options.networks;
    const worker = async () => {
      while (left > 0) await cycle(engine, `bench-leak-${left--}`, options.containers);
    };
    await Promise.all(Array.from({ length: options.width }, worker));
    table.row(`${options.networks} networks, ${options.containers} containers in each, per second`, [
      options.networks / ((performance.now() - began) / 1000),
    ]);
    await eventually(() => {
      const leaks = leftOver(before, hostNetwork(watched));
      if (leaks.length > 0) throw new Error(`left over:\n${leaks.join('\n')}`);
    }, SETTLE_MS);
    for (const [what, count] of Object.entries(hostNetwork(watched))) {
      table.row(`${what} before and after`, [count.length]);
    }
  },
);

/** The same twice in a row: nothing is on its way out any more. */
async function settled(watched: Parameters<typeof hostNetwork>[0]): Promise<ReturnType<typeof hostNetwork>> {
  const once = hostNetwork(watched);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const again = hostNetwork(watched);
  if (leftOver(once, again).length + leftOver(again, once).length > 0) throw new Error('still changing');
  return again;
}

async function cycle(engine: BenchEngine, name: string, containers: number): Promise<void> {
  const Labels = { [BENCH_LABEL]: '1' };
  await engine.call('POST', '/networks/create', { Name: name, EnableIPv6: true, Labels });
  const ids = await Promise.all(
    Array.from({ length: containers }, async () => {
      const { Id } = await engine.call<{ Id: string }>('POST', '/containers/create', {
        Image: BENCH_IMAGE,
        Cmd: ['sleep', '3600'],
        Labels,
        ExposedPorts: { '80/tcp': {} },
        HostConfig: { NetworkMode: name, PublishAllPorts: true },
      });
      await engine.call('POST', `/containers/${Id}/start`);
      return Id;
    }),
  );
  await Promise.all(ids.map((id) => engine.call('DELETE', `/containers/${id}?force=1`)));
  await engine.call('DELETE', `/networks/${name}`);
}
