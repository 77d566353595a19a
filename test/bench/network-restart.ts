import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dockerOn } from '../support/docker-cli';
import { eventually } from '../support/eventually';
import type { TestInstance } from '../support/test-instance';
import { BENCH_IMAGE, BENCH_LABEL, type BenchEngine } from './engine';
import type { Table } from './table';

const WIDTH = 8;

/** How long network-service is away when it is killed among `count` containers, each with a published port and a resolver. */
export async function measureRestart(
  engine: BenchEngine,
  instance: TestInstance,
  table: Table,
  count: number,
): Promise<void> {
  const network = `bench-${randomBytes(3).toString('hex')}`;
  await engine.call('POST', '/networks/create', {
    Name: network,
    IPAM: { Config: [{ Subnet: '10.200.0.0/20' }] },
    Labels: { [BENCH_LABEL]: '1' },
  });
  try {
    let left = count;
    const worker = async () => {
      while (left-- > 0) await startOn(engine, network);
    };
    await Promise.all(Array.from({ length: WIDTH }, worker));
    const docker = dockerOn(instance.dockerHost);
    const last = await startOn(engine, network);
    const answered = async () => {
      const { code, stderr } = await docker(['exec', last, 'nslookup', last.slice(0, 12)]);
      if (code !== 0) throw new Error(`no name: ${stderr}`);
    };
    await answered();
    // Once: the supervisor waits longer before it starts again what dies often.
    const began = performance.now();
    await instance.kill('network');
    await eventually(() => engine.call('GET', `/networks/${network}`));
    const away = performance.now() - began;
    await eventually(answered);
    const names = performance.now() - began;
    table.row(`network-service back after kill -9, ${count} containers, ms`, [away]);
    table.row('  of which it took to find again what was there', [restoredWithin(instance)]);
    table.row('  until a name is answered in a container, ms', [names]);
    await engine.removeContainers();
  } finally {
    await engine.call('DELETE', `/networks/${network}`).catch(() => {});
  }
}

async function startOn(engine: BenchEngine, network: string): Promise<string> {
  const { Id } = await engine.call<{ Id: string }>('POST', '/containers/create', {
    Image: BENCH_IMAGE,
    Cmd: ['sleep', '3600'],
    Labels: { [BENCH_LABEL]: '1' },
    ExposedPorts: { '80/tcp': {} },
    HostConfig: { NetworkMode: network, PublishAllPorts: true },
  });
  await engine.call('POST', `/containers/${Id}/start`);
  return Id;
}

/** Milliseconds, as the service itself has logged them. */
function restoredWithin({ logFile }: TestInstance): number {
  const lines = readFileSync(logFile, 'utf8').matchAll(/"ms":(\d+),"msg":"found again what was there"/g);
  return Number([...lines].at(-1)?.[1]);
}
