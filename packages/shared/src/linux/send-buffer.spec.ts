import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setSendBuffer } from './send-buffer';

/** What is left in this process of so many bytes, each written for itself, that nobody reads. */
async function waitingOf(writes: number, prepare: (socket: Socket) => void): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-send-buffer-'));
  const server = createServer({ pauseOnConnect: true }).listen(join(directory, 's'));
  await once(server, 'listening');
  const socket = connect(join(directory, 's'));
  const [[other]] = (await Promise.all([once(server, 'connection'), once(socket, 'connect')])) as [
    [Socket],
    unknown,
  ];
  prepare(socket);
  for (let written = 0; written < writes; written++) socket.write('x');
  const waiting = socket.writableLength;
  socket.destroy();
  other.destroy();
  server.close();
  rmSync(directory, { recursive: true });
  return waiting;
}

(process.getuid?.() === 0 ? it : it.skip)('takes thousands of small writes that nobody reads', async () => {
  expect(await waitingOf(2_000, () => {})).toBeGreaterThan(0);
  expect(await waitingOf(2_000, (socket) => setSendBuffer(socket, 4 * 1024 * 1024))).toBe(0);
});
