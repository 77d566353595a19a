// npm run bench:streams: what containers write, on its way to the log and to who reads it.
import { once } from 'node:events';
import { runBench } from './bench';
import type { BenchEngine } from './engine';
import { median } from './statistics';
import { interleaved } from './workloads';

const LINE = 'the quick brown fox jumps over the lazy dog and runs away from the big bad wolf';

/** `megabytes`: less than the 100 MB that Gantry's default driver keeps. `large`: of a long log, in megabytes; 0: none. */
runBench('gbstream', { megabytes: 64, rounds: 5, large: 1000 }, async ({ engines, table, options }) => {
  const { megabytes, rounds, large } = options;
  const command = writing(megabytes);
  const perSecond = async (what: string, body: (engine: BenchEngine) => Promise<unknown>) => {
    const samples = await interleaved(engines, rounds, body);
    table.row(
      `${what}, MB/s (median of ${rounds})`,
      engines.map(({ name }) => megabytes / (median(samples.get(name) ?? []) / 1000)),
    );
  };

  for (const driver of ['', 'json-file', 'none']) {
    const host = driver === '' ? {} : { HostConfig: { LogConfig: { Type: driver } } };
    const named = driver === '' ? 'default driver' : driver;
    await perSecond(`written, nobody attached, ${named}`, (engine) => run(engine, command, host));
    await perSecond(`attached from the start, ${named}`, (engine) => runAttached(engine, command, host));
  }

  for (const driver of ['', 'json-file']) {
    const host = driver === '' ? {} : { HostConfig: { LogConfig: { Type: driver } } };
    const named = driver === '' ? 'default driver' : driver;
    const logged = new Map<string, string>();
    for (const engine of engines) logged.set(engine.name, await run(engine, command, host, true));
    const logs = (engine: BenchEngine, query: string) =>
      engine.read(`/containers/${logged.get(engine.name)}/logs?stdout=1${query}`);
    await perSecond(`logs, ${named}`, (engine) => logs(engine, ''));
    await perSecond(`logs --timestamps, ${named}`, (engine) => logs(engine, '&timestamps=1'));
    table.samples(
      `logs --tail 100, ${named}, ms`,
      await interleaved(engines, rounds * 4, (engine) => logs(engine, '&tail=100')),
    );
    const first = new Map<string, number[]>();
    await interleaved(engines, rounds, async (engine) => {
      const read = await logs(engine, '');
      first.set(engine.name, [...(first.get(engine.name) ?? []), read.first]);
    });
    table.samples(`logs, until the first byte, ${named}, ms`, first);
    for (const engine of engines) await engine.removeContainers();
  }

  for (const driver of large > 0 ? ['local', 'json-file'] : []) {
    const host = { HostConfig: { LogConfig: { Type: driver, Config: { 'max-size': `${2 * large}m` } } } };
    const first = new Map<string, number[]>();
    for (const engine of engines) {
      const id = await run(engine, writing(large), host, true);
      const samples: number[] = [];
      for (let round = 0; round < rounds * 4; round++)
        samples.push(await engine.untilFirstByte(`/containers/${id}/logs?stdout=1`));
      first.set(engine.name, samples);
      await engine.removeContainers();
    }
    table.samples(`logs of ${large} MB, until the first byte, ${driver}, ms`, first);
  }
});

const writing = (megabytes: number): string[] => ['sh', '-c', `yes ${LINE} | head -c ${megabytes}000000`];

/** To its end; its id, where it is kept. */
async function run(engine: BenchEngine, command: string[], host: object, keep = false): Promise<string> {
  const { Id } = await engine.create(command, host);
  await engine.call('POST', `/containers/${Id}/start`);
  await engine.call('POST', `/containers/${Id}/wait`);
  if (!keep) await engine.call('DELETE', `/containers/${Id}`);
  return Id;
}

async function runAttached(engine: BenchEngine, command: string[], host: object): Promise<void> {
  const { Id } = await engine.create(command, host);
  const socket = await engine.attach(Id);
  const ended = once(socket.resume(), 'close');
  await engine.call('POST', `/containers/${Id}/start`);
  await ended;
  await engine.call('POST', `/containers/${Id}/wait`);
  await engine.call('DELETE', `/containers/${Id}`);
}
