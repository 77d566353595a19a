// npm run bench:network: starts on five networks, throughput, and a restart of network-service among many containers.
import { randomBytes } from 'node:crypto';
import type { TestInstance } from '../support/test-instance';
import { runBench } from './bench';
import { BENCH_IMAGE, BENCH_LABEL, type BenchEngine } from './engine';
import { IperfServer, throughput } from './iperf';
import { processBehind } from './processes';
import { measureRestart } from './network-restart';
import { timed } from './workloads';

const NETWORKS = 5;
const PORT = 5201;

runBench(
  'gbnet',
  { rounds: 15, seconds: 2, streams: 5, containers: 0 },
  async ({ instance, engines, table, options }) => {
    const starts = new Map<string, number[]>();
    const direct = new Map<string, number[]>();
    const published = new Map<string, number[]>();
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
      for (let round = 0; round < options.streams; round += 1) {
        for (const pair of pairs) {
          put(direct, pair.engine, await pair.direct(options.seconds));
          put(published, pair.engine, await pair.published(options.seconds));
        }
      }
      table.samples('container to container, Gbit/s', direct);
      table.samples('127.0.0.1 to a published port, Gbit/s', published);
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
    const hostPid =
      engine.name === 'gantry' ? instance.pid('network') : (processBehind(engine.socketPath) ?? 1);
    return new Pair(engine, hostPid, sender, receiver, network, server);
  }

  direct(seconds: number): Promise<number> {
    const address = this.receiver.NetworkSettings.Networks[this.network]?.IPAddress ?? '';
    return throughput(this.sender.State.Pid, address, PORT, seconds);
  }

  published(seconds: number): Promise<number> {
    const port = Number(this.receiver.NetworkSettings.Ports[`${PORT}/tcp`]?.[0]?.HostPort);
    return throughput(this.hostPid, '127.0.0.1', port, seconds);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    for (const { Id } of [this.sender, this.receiver]) {
      await this.engine.call('DELETE', `/containers/${Id}?force=1`);
    }
  }
}
