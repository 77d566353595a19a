import { closeSync, constants, openSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { basename, dirname } from 'node:path';
import { AttachConnection, AttachSocket } from './attach-socket';
import { SystemError, hasCode } from './errno';
import { check, lastErrno, libc } from './native';
import { addressBytes } from './netlink/addresses';
import { O_PATH } from './paths';

export type Transport = 'tcp' | 'udp' | 'sctp';

export interface PortAddress {
  protocol: Transport;
  /** IPv4 or IPv6; `0.0.0.0` and `::` are every address of their own family only. */
  address: string;
  /** 0 lets the kernel choose. */
  port: number;
}

export interface BoundSocket {
  /**
   * O_CLOEXEC; the caller closes it or hands it to dgram or net by `{ fd }`. Numbered from 1024 on: services keep thousands,
   * and there are libraries that need low numbers (libnftables).
   */
  fd: number;
  port: number;
}

export interface UnixDatagramSender {
  /** False: the receiver is behind, try again later. @throws SystemError, ECONNREFUSED where it has gone */
  send(datagram: Buffer): boolean;
  close(): void;
}

/** Sockets node:net and node:dgram cannot make. They live in the network namespace of the calling thread. */
export interface Sockets {
  /** Binds a UDP or TCP socket, not listening yet. */
  bind(address: PortAddress): BoundSocket;
  /**
   * Claims a host port: until the descriptor is closed no other process can bind it, and it fails with EADDRINUSE when
   * one has. It does not listen; connections in TIME_WAIT are no obstacle. Where the kernel has no SCTP it throws
   * EPROTONOSUPPORT for that.
   */
  reservePort(address: PortAddress): BoundSocket;
  /**
   * Lets a TCP socket that holds a port listen on it, connections in TIME_WAIT or not. Whoever connects from now on waits
   * for it to be accepted from.
   */
  listen(fd: number): void;
  /** Another descriptor of the same socket, O_CLOEXEC, with a high number as those of {@link bind}. */
  duplicate(fd: number): number;
  /**
   * How much of what was sent the other end of a unix socket has yet to read, in bytes of kernel memory; 0: it has read all.
   * Of a TCP socket it says what was not acknowledged.
   */
  unread(fd: number): number;
  /** Connected SOCK_SEQPACKET unix socket, non-blocking. The path may be longer than the 107 bytes of sockaddr_un. */
  connectSeqpacket(path: string): number;
  /** Connected SOCK_DGRAM unix socket, for what it is told only. */
  connectUnixDatagram(path: string): UnixDatagramSender;
  /** Connects to conmon's attach socket, trying again while its backlog is full. */
  connectAttach(path: string): Promise<AttachConnection>;
}

const socket = libc.declare('int socket(int domain, int type, int protocol)');
const bind = libc.declare('int bind(int fd, void *address, uint32_t length)');
const connect = libc.declare('int connect(int fd, void *address, uint32_t length)');
const listen = libc.declare('int listen(int fd, int backlog)');
const shutdown = libc.declare('int shutdown(int fd, int how)');
const send = libc.declare('long send(int fd, void *data, unsigned long length, int flags)');
const setsockopt = libc.declare(
  'int setsockopt(int fd, int level, int option, void *value, uint32_t length)',
);
const fcntl = libc.declare('int fcntl(int fd, int command, int value)');
const ioctl = libc.declare('int ioctl(int fd, unsigned long request, void *value)');
const getsockname = libc.declare('int getsockname(int fd, void *address, void *length)');

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const FIRST_HIGH = 1024;
const IPPROTO_SCTP = 132;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const SHUT_RD = 0;
const BACKLOG = 4096;
const MSG_NOSIGNAL = 0x4000;
const SUN_PATH = 108;
const ENAMETOOLONG = 36;
const SIOCOUTQ = 0x5411;
const CONNECT_TRIES = 200;
const CONNECT_PAUSE_MS = 5;

export class KernelSockets implements Sockets {
  bind(address: PortAddress): BoundSocket {
    const { fd, text } = newSocket(address);
    return closingOnError(fd, () => {
      check(bind(fd, sockaddr(address), sockaddrSize(address)), 'bind', text);
      const port = boundPort(fd);
      return { fd: this.moveUp(fd), port };
    });
  }

  reservePort(address: PortAddress): BoundSocket {
    try {
      return this.bind(address);
    } catch (error) {
      if (address.protocol !== 'tcp' || !hasCode(error, 'EADDRINUSE')) throw error;
    }
    // In use, or only in TIME_WAIT? With SO_REUSEADDR the second lets a socket listen, the first does not; and a socket
    // that has stopped to listen keeps its port.
    const { fd, text } = newSocket(address);
    return closingOnError(fd, () => {
      setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      check(bind(fd, sockaddr(address), sockaddrSize(address)), 'bind', text);
      check(listen(fd, 0), 'listen', text);
      check(shutdown(fd, SHUT_RD), 'shutdown', text);
      setOption(fd, SOL_SOCKET, SO_REUSEADDR, 0);
      const port = boundPort(fd);
      return { fd: this.moveUp(fd), port };
    });
  }

  listen(fd: number): void {
    setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    check(listen(fd, BACKLOG), 'listen');
  }

  duplicate(fd: number): number {
    const high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_HIGH);
    // EINVAL: this process may not have that many.
    return high >= 0 ? high : check(fcntl(fd, F_DUPFD_CLOEXEC, 0), 'fcntl');
  }

  private moveUp(fd: number): number {
    const moved = this.duplicate(fd);
    closeSync(fd);
    return moved;
  }

  unread(fd: number): number {
    const bytes = Buffer.alloc(4);
    check(ioctl(fd, SIOCOUTQ, bytes), 'ioctl');
    return bytes.readInt32LE();
  }

  connectSeqpacket(path: string): number {
    return this.connectUnixSocket(path, SOCK_SEQPACKET);
  }

  connectUnixDatagram(path: string): UnixDatagramSender {
    const fd = this.connectUnixSocket(path, SOCK_DGRAM);
    return {
      send: (datagram) => {
        if (send(fd, datagram, datagram.length, MSG_NOSIGNAL) >= 0) return true;
        const error = new SystemError(lastErrno(), 'send', path);
        if (hasCode(error, 'EAGAIN', 'ENOBUFS')) return false;
        throw error;
      },
      close: () => closeSync(fd),
    };
  }

  async connectAttach(path: string): Promise<AttachConnection> {
    for (let tries = 1; ; tries++) {
      try {
        return new AttachSocket(this.connectSeqpacket(path));
      } catch (error) {
        if (tries === CONNECT_TRIES || !hasCode(error, 'EAGAIN')) throw error;
        await new Promise((resolve) => setTimeout(resolve, CONNECT_PAUSE_MS));
      }
    }
  }

  private connectUnixSocket(path: string, type: number): number {
    const fd = check(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket', path);
    return closingOnError(fd, () => {
      if (Buffer.byteLength(path) < SUN_PATH) {
        connectUnix(fd, path, path);
        return fd;
      }
      const directory = openSync(dirname(path), O_PATH | constants.O_DIRECTORY);
      try {
        connectUnix(fd, `/proc/self/fd/${directory}/${basename(path)}`, path);
      } finally {
        closeSync(directory);
      }
      return fd;
    });
  }
}

function newSocket(address: PortAddress): { fd: number; text: string } {
  const text = `${address.protocol} ${address.address} port ${address.port}`;
  const family = isIPv4(address.address) ? AF_INET : AF_INET6;
  const type = address.protocol === 'udp' ? SOCK_DGRAM : SOCK_STREAM;
  const protocol = address.protocol === 'sctp' ? IPPROTO_SCTP : 0;
  const fd = check(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), 'socket', text);
  return closingOnError(fd, () => {
    if (family === AF_INET6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    return { fd, text };
  });
}

function closingOnError<T>(fd: number, action: () => T): T {
  try {
    return action();
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function setOption(fd: number, level: number, option: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  check(setsockopt(fd, level, option, bytes, bytes.length), 'setsockopt');
}

/** struct sockaddr_in or sockaddr_in6; the port is in network byte order. */
function sockaddr({ address, port }: PortAddress): Buffer {
  const ip = addressBytes(address);
  const bytes = Buffer.alloc(ip.length === 4 ? 16 : 28);
  bytes.writeUInt16LE(ip.length === 4 ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  ip.copy(bytes, ip.length === 4 ? 4 : 8);
  return bytes;
}

function sockaddrSize({ address }: PortAddress): number {
  return isIPv4(address) ? 16 : 28;
}

function boundPort(fd: number): number {
  const address = Buffer.alloc(28);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  check(getsockname(fd, address, length), 'getsockname');
  return address.readUInt16BE(2);
}

function connectUnix(fd: number, address: string, path: string): void {
  const bytes = Buffer.alloc(2 + SUN_PATH);
  bytes.writeUInt16LE(AF_UNIX, 0);
  if (Buffer.byteLength(address) >= SUN_PATH) throw new SystemError(ENAMETOOLONG, 'connect', path);
  bytes.write(address, 2);
  check(connect(fd, bytes, bytes.length), 'connect', path);
}
