// npm run bench:network: starts on five networks, throughput, names, and a restart of network-service among many
// containers.
import { randomBytes } from 'node:crypto';
import type { TestInstance } from '../support/test-instance';
import { runBench } from './bench';
import { BENCH_IMAGE, BENCH_LABEL, type BenchEngine } from './engine';
import { type Flow, IperfServer, requireIperf, throughput } from './iperf';
import { measureNames } from './names';
import { processBehind, processesBehind } from './processes';
import { measureRestart } from './network-restart';
import { median } from './statistics';
import type { Table } from './table';
import { timed } from './workloads';

const NETWORKS = 5;
const PORT = 5201;
/** What iperf3 writes at once unless it is told otherwise, and what saves most of the wake-ups. Bytes. */
const WRITES = { '128 KiB': 131_072, '1 MiB': 1_048_576 };

requireIperf();
runBench(
  'gbnet',
  { rounds: 15, seconds: 2, streams: 5, containers: 0 },
  async ({ instance, engines, table, options }) => {
    const starts = new Map<string, number[]>();
    const pairs: Pair[] = [];
    const prefix = `bench-${randomBytes(3).toString('hex')}`;
    const networks = Array.from({ length: NETWORKS }, (_, index) => `${prefix}-${index}`);
    try {
      for (const engine of engines) for (const name of networks) await createNetwork(engine, name);
      // The first round is the warm-up.
      for (let round = 0; round <= options.rounds; round += 1) {
        for (const engine of engines) {
          const took = await startOnAll(engine, networks);
          if (round > 0) put(starts, engine, took);
        }
      }
      table.samples('start on five networks, ms', starts);
      for (const engine of engines) pairs.push(await Pair.start(engine, networks[0] ?? '', instance));
      for (const [what, write] of Object.entries(WRITES)) {
        await measureFlows(pairs, table, `writes of ${what}`, options.streams, {
          seconds: options.seconds,
          write,
        });
      }
      await measureAllNames(pairs, table);
    } finally {
      for (const pair of pairs) await pair.stop();
      for (const engine of engines) {
        for (const name of networks) await engine.call('DELETE', `/networks/${name}`).catch(() => {});
      }
    }
    const [gantry] = engines;
    if (gantry && options.containers > 0) await measureRestart(gantry, instance, table, options.containers);
  },
);

/** Both ways in turns, and last the host's loopback without any engine: no published port can be faster. */
async function measureFlows(
  pairs: Pair[],
  table: Table,
  what: string,
  rounds: number,
  options: { seconds: number; write: number },
): Promise<void> {
  const ways = {
    'container to container': (pair: Pair) => pair.direct(options),
    '127.0.0.1 to a published port': (pair: Pair) => pair.published(options),
  };
  const flows = Object.entries(ways).map(([way, run]) => ({ way, run, seen: new Map<string, Flow[]>() }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { run, seen } of flows) {
      for (const pair of pairs) {
        seen.set(pair.engine.name, [...(seen.get(pair.engine.name) ?? []), await run(pair)]);
      }
    }
  }
  for (const { way, seen } of flows) {
    const all = [...seen.values()];
    table.row(
      `${way}, ${what}, Gbit/s`,
      all.map((each) => median(each.map(({ rate }) => rate))),
    );
    table.row(
      '  CPU seconds a GB',
      all.map((each) => median(each.map(({ cpu }) => cpu))),
    );
  }
  const server = await IperfServer.start(process.pid, PORT);
  const { rate } = await throughput(process.pid, '127.0.0.1', PORT, options);
  await server.stop();
  table.row(`  the host's loopback alone, Gbit/s`, [rate]);
}

async function measureAllNames(pairs: Pair[], table: Table): Promise<void> {
  const figures = [];
  for (const pair of pairs) figures.push(await pair.names());
  table.row(
    'a name in a container, ms (median)',
    figures.map((each) => each.median),
  );
  table.row(
    '  95% of them at most',
    figures.map((each) => each.at95),
  );
  table.row(
    'names, 32 at a time, per second',
    figures.map((each) => each.rate),
  );
  table.row(
    '  for a second of CPU of the engine',
    figures.map((each) => each.perCpuSecond),
  );
}

function put(samples: Map<string, number[]>, { name }: BenchEngine, value: number): void {
  samples.set(name, [...(samples.get(name) ?? []), value]);
}

async function createNetwork(engine: BenchEngine, Name: string): Promise<void> {
  await engine.call('POST', '/networks/create', { Name, Labels: { [BENCH_LABEL]: '1' } });
}

/** The time that start takes; create, connect and remove are not measured. */
async function startOnAll(engine: BenchEngine, networks: readonly string[]): Promise<number> {
  const { Id } = await createOn(engine, networks[0] ?? '');
  for (const name of networks.slice(1)) {
    await engine.call('POST', `/networks/${name}/connect`, { Container: Id });
  }
  const took = await timed(() => engine.call('POST', `/containers/${Id}/start`));
  await engine.call('DELETE', `/containers/${Id}?force=1`);
  return took;
}

function createOn(engine: BenchEngine, network: string, host: object = {}): Promise<{ Id: string }> {
  return engine.call('POST', '/containers/create', {
    ExposedPorts: { [`${PORT}/tcp`]: {} },
    Image: BENCH_IMAGE,
    Cmd: ['sleep', '3600'],
    Labels: { [BENCH_LABEL]: '1' },
    HostConfig: { NetworkMode: network, ...host },
  });
}

interface Running {
  Id: string;
  State: { Pid: number };
  NetworkSettings: {
    Networks: Record<string, { IPAddress: string }>;
    Ports: Record<string, { HostPort: string }[]>;
  };
}

/** Two containers of an engine: one sends, the other receives, also on a published port of its engine's host. */
class Pair {
  private constructor(
    readonly engine: BenchEngine,
    private readonly hostPid: number,
    private readonly answering: number[],
    private readonly sender: Running,
    private readonly receiver: Running,
    private readonly network: string,
    private readonly server: IperfServer,
  ) {}

  static async start(engine: BenchEngine, network: string, instance: TestInstance): Promise<Pair> {
    const run = async (host: object): Promise<Running> => {
      const { Id } = await createOn(engine, network, host);
      await engine.call('POST', `/containers/${Id}/start`);
      return engine.call<Running>('GET', `/containers/${Id}/json`);
    };
    const sender = await run({});
    const receiver = await run({
      PortBindings: { [`${PORT}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: '' }] },
    });
    const server = await IperfServer.start(receiver.State.Pid, PORT);
    // An engine may live in a network namespace of its own: that is its host.
    const isOurs = engine.name === 'gantry';
    const answering = isOurs ? [instance.pid('network')] : processesBehind(engine.socketPath);
    const hostPid = isOurs ? instance.pid('network') : (processBehind(engine.socketPath) ?? 1);
    return new Pair(engine, hostPid, answering, sender, receiver, network, server);
  }

  direct(options: { seconds: number; write: number }): Promise<Flow> {
    const address = this.receiver.NetworkSettings.Networks[this.network]?.IPAddress ?? '';
    return throughput(this.sender.State.Pid, address, PORT, options);
  }

  published(options: { seconds: number; write: number }): Promise<Flow> {
    const port = Number(this.receiver.NetworkSettings.Ports[`${PORT}/tcp`]?.[0]?.HostPort);
    return throughput(this.hostPid, '127.0.0.1', port, options);
  }

  /** The receiver's, asked for in the sender. */
  names(): ReturnType<typeof measureNames> {
    return measureNames(this.sender.State.Pid, this.receiver.Id.slice(0, 12), this.answering);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    for (const { Id } of [this.sender, this.receiver]) {
      await this.engine.call('DELETE', `/containers/${Id}?force=1`);
    }
  }
}
