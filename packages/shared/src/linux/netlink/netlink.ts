import type { Address, Link, LinkRef, NetlinkRequest, Route } from './requests';

/** rtnetlink(7): links, addresses and routes of one network namespace. */
export interface NetlinkSocket {
  /**
   * Sends all requests at once and waits for the kernel's answers (which it gives before `send` returns). The kernel
   * carries out every request in order, also those after one that failed. Throws the first failure as a SystemError
   * whose `detail` is the kernel's own explanation and whose `syscall` names the request.
   */
  send(requests: NetlinkRequest[]): void;
  links(): Link[];
  /** undefined when there is no such link. */
  link(link: LinkRef): Link | undefined;
  addresses(link?: number): Address[];
  /** Every unicast route of the main table, or of all tables. */
  routes(family?: 4 | 6, tables?: 'main' | 'all'): Route[];
  close(): void;
}

export interface Netlink {
  /** A socket bound for its life to the network namespace of the calling thread; one socket, one thread. */
  open(): NetlinkSocket;
}
