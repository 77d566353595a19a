import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { headRead } from './head-reading';

const DOCKER_PY = 'docker-sdk-python/7.1.0';

describe('what follows a head', () => {
  const directory = mkdtempSync(join(tmpdir(), 'head-'));
  const path = join(directory, 'socket');
  const server = createServer();
  let client: Socket;
  let accepted: Socket;

  beforeAll(() => once(server.listen(path), 'listening'));
  beforeEach(async () => {
    client = createConnection({ path }).pause();
    [accepted] = (await once(server, 'connection')) as [Socket];
  });
  afterEach(() => {
    client.destroy();
    accepted.destroy();
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  it('waits until docker-py has read that, however late it comes to it', async () => {
    await headRead(accepted, DOCKER_PY);
    accepted.write('head');
    let over = false;
    const read = headRead(accepted, DOCKER_PY).then(() => (over = true));
    await sleep(100);
    expect(over).toBe(false);
    client.resume();
    await read;
  });

  it('does not wait for a client that has gone', async () => {
    accepted.write('head');
    const read = headRead(accepted, DOCKER_PY);
    accepted.destroy();
    await read;
  });

  it('does not wait for others', async () => {
    accepted.write('head');
    await headRead(accepted, 'Docker-Client/28.2.2 (linux)');
    await headRead(accepted, undefined);
  });
});
