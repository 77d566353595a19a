import { parseArgs } from 'node:util';
import { busyboxRootfs } from '../../support/busybox-image';
import { EngineClient } from '../../support/engine-client';
import { remainsOf } from '../../support/remains';
import { TestInstance } from '../../support/test-instance';
import { Chaos } from './chaos';

const { values: options } = parseArgs({
  options: {
    containers: { type: 'string', default: '200' },
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1e6) },
  },
});
const say = (line: string) => process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);

async function main(): Promise<void> {
  const instance = await TestInstance.start('gchaos');
  const api = new EngineClient(instance.socket);
  try {
    await api.post(
      '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
      await busyboxRootfs(),
    );
    const chaos = new Chaos(instance, api, {
      containers: Number(options.containers),
      duration: Number(options.minutes) * 60_000,
      seed: Number(options.seed),
      say,
    });
    await chaos.populate();
    say(`${options.containers} containers run; ${options.minutes} minutes of chaos, seed ${options.seed}`);
    await chaos.rage();
    await chaos.settle();
    say('API, kernel and disk agree on every container');
    await chaos.removeAll();
    say('all removed, nothing is left');
  } finally {
    await instance.clean();
    for (const line of remainsOf(instance.name, instance.dataRoot)) say(`left: ${line}`);
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  },
);
