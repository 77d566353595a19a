import { execFile } from 'node:child_process';
import { Agent, get, type IncomingMessage } from 'node:http';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { createContainer } from '../support/containers';
import { instance, killService, pidOf } from '../support/engine';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import type { ServiceName } from '../support/test-instance';

const SERVICES: ServiceName[] = ['image', 'volume', 'network', 'container', 'gateway'];
/** Every request comes on a connection of its own, as those of the docker CLI do. */
const client = new EngineClient(instance.socket, '', new Agent({ keepAlive: false }));

async function remove(id: string): Promise<void> {
  expect((await client.delete(`/containers/${id}`)).status).toBe(204);
}

/** What a client sees that asks one thing after the other until `done`. */
async function asking(done: () => boolean): Promise<number[]> {
  const answers: number[] = [];
  while (!done()) {
    const id = await createContainer({}, client);
    answers.push((await client.get(`/containers/${id}/json`)).status);
    answers.push((await client.get('/volumes')).status);
    await remove(id);
  }
  return answers;
}

describe('a restart of one service after the other', () => {
  jest.setTimeout(120_000);

  it('fails no request, and a gateway finishes what it has begun', async () => {
    const before = SERVICES.map(pidOf);
    const events = await new Promise<IncomingMessage>((resolve, reject) => {
      get({ socketPath: instance.socket, path: '/events', agent: false }, resolve).once('error', reject);
    });
    let seen = '';
    events.setEncoding('utf8').on('data', (text: string) => (seen += text));
    const gateway = pidOf('gateway');

    let done = false;
    const paths = ['--run-dir', instance.runDir, '--data-root', instance.dataRoot];
    const restarted = promisify(execFile)(process.execPath, [
      ...['scripts/gantry.mjs', 'restart', '--instance', instance.name],
      ...paths,
    ]).finally(() => (done = true));
    const answers = await asking(() => done);
    await restarted;
    SERVICES.map(pidOf).forEach((pid, index) => expect(pid).not.toBe(before[index]));
    expect(answers.filter((status) => status !== 200)).toEqual([]);

    // It still has this client, and nobody else.
    expect(existsSync(`/proc/${gateway}`)).toBe(true);
    const id = await createContainer({}, client);
    await eventually(() => expect(seen).toContain(id));
    await remove(id);
    events.destroy();
    await eventually(() => expect(existsSync(`/proc/${gateway}`)).toBe(false));
  });

  it('who comes while no gateway runs waits for the next one', async () => {
    const gateway = pidOf('gateway');
    const killed = killService('gateway');
    await eventually(() => expect(existsSync(`/proc/${gateway}`)).toBe(false));
    expect((await client.get('/version')).status).toBe(200);
    await killed;
  });
});
