import type { Netlink, NetlinkSocket } from './netlink';
import { RouteSocket } from './route-socket';

export class KernelNetlink implements Netlink {
  open(): NetlinkSocket {
    return new RouteSocket();
  }
}
