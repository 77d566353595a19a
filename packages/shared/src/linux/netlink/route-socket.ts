import type { NetlinkSocket } from './netlink.js';
import type { Address, Link, LinkRef, NetlinkRequest, Route } from './requests.js';
export declare class RouteSocket implements NetlinkSocket {
  send(requests: NetlinkRequest[]): void;
  links(): Link[];
  link(link: LinkRef): Link | undefined;
  addresses(link?: number): Address[];
  routes(family?: 4 | 6): Route[];
  close(): void;
}
