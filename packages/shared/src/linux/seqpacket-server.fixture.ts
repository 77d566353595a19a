import { closeSync } from 'node:fs';
import { hasCode } from './errno';
import { check, libc } from './native';

const socket = libc.declare('int socket(int domain, int type, int protocol)');
const bind = libc.declare('int bind(int fd, void *address, uint32_t length)');
const listen = libc.declare('int listen(int fd, int backlog)');
const accept4 = libc.declare('int accept4(int fd, void *address, void *length, int flags)');
const send = libc.declare('long send(int fd, void *buffer, unsigned long length, int flags)');
const recv = libc.declare('long recv(int fd, void *buffer, unsigned long length, int flags)');

const AF_UNIX = 1;
const SEQPACKET_CLOEXEC = 5 | 0o2000000;
const MSG_DONTWAIT = 0x40;

/** The other end of an attach socket, as conmon is it. */
export class SeqpacketServer {
  private readonly fd = check(socket(AF_UNIX, SEQPACKET_CLOEXEC, 0), 'socket');
  private readonly peers = new Set<number>();

  constructor(path: string) {
    const address = Buffer.alloc(110);
    address.writeUInt16LE(AF_UNIX, 0);
    address.write(path, 2);
    check(bind(this.fd, address, address.length), 'bind', path);
    check(listen(this.fd, 16), 'listen', path);
  }

  accept(): number {
    const peer = check(accept4(this.fd, null, null, 0o2000000), 'accept');
    this.peers.add(peer);
    return peer;
  }

  send(peer: number, packet: Buffer): void {
    check(send(peer, packet, packet.length, 0), 'send');
  }

  /** The next packet, empty at the end of the stream. */
  async receive(peer: number): Promise<Buffer> {
    const buffer = Buffer.alloc(128 * 1024);
    for (;;) {
      try {
        return buffer.subarray(0, check(recv(peer, buffer, buffer.length, MSG_DONTWAIT), 'recv'));
      } catch (error) {
        if (!hasCode(error, 'EAGAIN')) throw error;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  hangUp(peer: number): void {
    if (this.peers.delete(peer)) closeSync(peer);
  }

  close(): void {
    this.peers.forEach((peer) => this.hangUp(peer));
    closeSync(this.fd);
  }
}
