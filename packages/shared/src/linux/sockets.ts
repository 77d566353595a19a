export type Transport = 'tcp' | 'udp';

export interface PortAddress {
  protocol: Transport;
  /** IPv4 or IPv6; `0.0.0.0` and `::` are every address of their own family only. */
  address: string;
  /** 0 lets the kernel choose. */
  port: number;
}

export interface BoundSocket {
  /** O_CLOEXEC; the caller closes it or hands it to dgram or net by `{ fd }`. */
  fd: number;
  port: number;
}

/** Sockets node:net and node:dgram cannot make. They live in the network namespace of the calling thread. */
export interface Sockets {
  /** Binds a UDP or TCP socket, not listening yet. */
  bind(address: PortAddress): BoundSocket;
  /**
   * Claims a host port: until the descriptor is closed no other process can bind it, and it fails with EADDRINUSE when
   * one has. It does not listen; connections in TIME_WAIT are no obstacle.
   */
  reservePort(address: PortAddress): BoundSocket;
  /** Connected SOCK_SEQPACKET unix socket, non-blocking. The path may be longer than the 107 bytes of sockaddr_un. */
  connectSeqpacket(path: string): number;
}
