import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dockerOn } from './docker-cli';
import { EngineClient } from './engine-client';
import { eventually } from './eventually';
import type { ServiceName } from './test-instance';

/** The instance that global-setup started, as the specs see it. */
const socket = process.env['GANTRY_TEST_SOCKET'] ?? '';
const { name, runDir, dataRoot, certificates } = JSON.parse(process.env['GANTRY_TEST_INSTANCE'] ?? '{}') as {
  name: string;
  runDir: string;
  dataRoot: string;
  certificates: string;
};

export const instance = { name, runDir, dataRoot, certificates, socket };
export const dockerHost = `unix://${socket}`;
export const api = new EngineClient(socket);
export const docker = dockerOn(dockerHost);

export const pidOf = (service: ServiceName): number =>
  Number(readFileSync(join(runDir, 'pids', service), 'utf8').split(' ')[0]);

/** `kill -9`, then waits until another process of the service runs and the engine answers. */
export async function killService(service: ServiceName): Promise<void> {
  const before = pidOf(service);
  process.kill(before, 'SIGKILL');
  await eventually(() => {
    if (pidOf(service) === before) throw new Error(`${service} was not started again`);
  });
  await eventually(async () => {
    const answers = await Promise.all(
      ['/_ping', '/info', '/images/json', '/containers/json', '/volumes', '/networks'].map((path) =>
        api.get(path),
      ),
    );
    const failed = answers.find((answer) => answer.status !== 200);
    if (failed) throw new Error(`${service} does not answer yet: ${failed.text}`);
  });
}
