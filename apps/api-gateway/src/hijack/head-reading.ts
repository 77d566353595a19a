import type { Socket } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Sockets } from '@gantry/shared/linux';
import { losesBytesBehindHead } from '../shaping/client-needs';

/** How long a client may take to read a head: on a unix socket that is seen, elsewhere it gets that long. Milliseconds. */
const PATIENCE_MS = 10_000;
const BLIND_PAUSE_MS = 25;
/** A client that is awake reads within so many turns of the event loop. */
const EAGER_TURNS = 50;

/** Loaded with the first client that needs it: few do. */
let loaded: Promise<Sockets> | undefined;
const kernelSockets = () =>
  (loaded ??= import('@gantry/shared/linux').then(({ createLinux }) => createLinux().sockets));

/**
 * To be awaited between the head of a raw stream and what follows it: a client that would lose what it reads together with the
 * head is waited for until it has read that.
 */
export async function headRead(socket: Socket, userAgent: string | undefined): Promise<void> {
  if (!losesBytesBehindHead(userAgent)) {
    await setImmediate();
    return;
  }
  if (socket.remoteAddress !== undefined) {
    await sleep(BLIND_PAUSE_MS);
    return;
  }
  const sockets = await kernelSockets();
  const end = performance.now() + PATIENCE_MS;
  for (let turn = 0; performance.now() < end; turn++) {
    const fd = descriptorOf(socket);
    if (fd === undefined || sockets.unread(fd) === 0) return;
    await (turn < EAGER_TURNS ? setImmediate() : sleep(1));
  }
}

/** Nothing once the socket is closed. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } | null };
  return handle && handle.fd >= 0 ? handle.fd : undefined;
}
