import type { Socket } from 'node:net';
import { libc } from './native';

const setsockopt = libc.declare(
  'int setsockopt(int fd, int level, int option, void *value, uint32_t length)',
);
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
/** Beyond what the host allows everybody; wants CAP_NET_ADMIN. */
const SO_SNDBUFFORCE = 32;

/**
 * How much a connected socket takes before whoever writes to it has to wait, in bytes of kernel memory: a write of a few bytes
 * counts for 768. Takes memory only while that much is waiting. Less where the host does not allow it.
 */
export function setSendBuffer(socket: Socket, bytes: number): void {
  const { _handle: handle } = socket as Socket & { _handle?: { fd: number } | null };
  if (!handle || handle.fd < 0) return;
  const value = Buffer.alloc(4);
  value.writeInt32LE(bytes / 2); // the kernel doubles it
  for (const option of [SO_SNDBUFFORCE, SO_SNDBUF]) {
    if (setsockopt(handle.fd, SOL_SOCKET, option, value, value.length) === 0) return;
  }
}
