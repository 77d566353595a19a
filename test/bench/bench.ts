import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { busyboxRootfs } from '../support/busybox-image';
import { TestInstance } from '../support/test-instance';
import { BenchEngine } from './engine';
import { Table } from './table';

/** What a bench measures with. */
export interface Bench<Option extends string> {
  /** An instance of Gantry of the bench's own. */
  instance: TestInstance;
  /** Gantry first, then the engines of `--against`. */
  engines: BenchEngine[];
  table: Table;
  options: Record<Option, number>;
}

/**
 * Runs one bench as a process, on an instance of Gantry of its own name: `--against unix:///path.sock[,...]` names the
 * engines to compare with, every option in `defaults` is a number that the command line may set. Everything the bench made
 * is removed at its end.
 */
export function runBench<Option extends string>(
  instanceName: string,
  defaults: Record<Option, number>,
  body: (bench: Bench<Option>) => Promise<void>,
): void {
  measure(instanceName, defaults, body).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exit(1);
    },
  );
}

async function measure<Option extends string>(
  instanceName: string,
  defaults: Record<Option, number>,
  body: (bench: Bench<Option>) => Promise<void>,
): Promise<void> {
  const names = Object.keys(defaults) as Option[];
  const { values } = parseArgs({
    options: Object.fromEntries(['against', ...names].map((name) => [name, { type: 'string' as const }])),
  });
  const options = { ...defaults };
  for (const name of names) if (values[name] !== undefined) options[name] = Number(values[name]);

  const peers = String(values['against'] ?? '')
    .split(',')
    .filter((address) => address !== '')
    .map((address, index) => new BenchEngine(nameOf(address, index), address.replace('unix://', '')));
  // A host has /run in memory.
  const instance = await TestInstance.start(instanceName, { runDir: join('/dev/shm', instanceName, 'run') });
  const engines = [new BenchEngine('gantry', instance.socket), ...peers];
  try {
    const rootfs = await busyboxRootfs();
    for (const engine of engines) await engine.prepare(rootfs);
    await body({ instance, engines, table: new Table(engines.map(({ name }) => name)), options });
  } finally {
    for (const engine of engines) {
      await engine.tidy().catch((error: Error) => process.stderr.write(`${error.message}\n`));
    }
    await instance.clean();
  }
}

/** Short and different for each, whatever the addresses are. */
function nameOf(address: string, index: number): string {
  const program = /podman/.test(address) ? 'podman' : /docker/.test(address) ? 'dockerd' : 'engine';
  return index === 0 ? program : `${program}-${index + 1}`;
}
