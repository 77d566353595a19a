import { internal } from '@gantry/shared/errors';
import type { Linux, NetlinkRequest, NetlinkSocket } from '@gantry/shared/linux';
import { setSysctl } from './kernel-settings';
import { allowLargePieces } from './large-pieces';
import type { DefaultRoute, InterfacePlan } from './plans';

/**
 * Makes an interface of a container, down, in its namespace.
 * @param gsoMaxSize of the host's end of a veth pair
 */
export function createInterface(
  host: NetlinkSocket,
  netns: number,
  plan: InterfacePlan,
  gsoMaxSize?: number,
): void {
  const { name, mac, mtu } = plan;
  const parent = indexOf(host, plan.parent);
  if (plan.kind === 'macvlan') {
    const mode = choice(plan.mode, 'bridge', 'private', 'vepa', 'passthru');
    host.send([{ type: 'add-macvlan', name, mac, mtu, netns, parent, mode }]);
    return;
  }
  if (plan.kind === 'ipvlan') {
    const mode = choice(plan.mode, 'l2', 'l3', 'l3s');
    const flag = choice(plan.flag, 'bridge', 'private', 'vepa');
    host.send([{ type: 'add-ipvlan', name, mtu, netns, parent, mode, flag }]);
    return;
  }
  const hostEnd = plan.hostLink;
  if (!hostEnd) throw internal('a veth pair needs a name for its host end');
  const { alias, isolated } = plan;
  host.send([
    {
      type: 'add-veth',
      name: hostEnd,
      alias,
      mtu,
      master: parent,
      up: true,
      peer: { name, mac, mtu, netns },
    },
  ]);
  // With bridge-nf-call-iptables a packet for one's own published port is turned round inside the bridge.
  const link = indexOf(host, hostEnd);
  host.send([{ type: 'set-port', link, hairpin: true, isolated }]);
  if (gsoMaxSize !== undefined) allowLargePieces(host, [link, parent], gsoMaxSize);
}

/** Gives it its addresses and brings it up. The calling thread is in the namespace, and `socket` is of it. */
export function bringUp(
  linux: Pick<Linux, 'host'>,
  socket: NetlinkSocket,
  plan: InterfacePlan,
  gsoMaxSize?: number,
): void {
  const link = indexOf(socket, plan.name);
  const ipv6 = plan.addresses.some((address) => address.includes(':'));
  // Without an IPv6 address there is nothing but a link-local one to announce.
  setSysctl(linux.host, `net/ipv6/conf/${plan.name}/disable_ipv6`, ipv6 ? '0' : '1');
  if (ipv6 && plan.kind === 'veth') {
    // All addresses are known: neither is there a router to listen to, nor somebody who could have the same.
    setSysctl(linux.host, `net/ipv6/conf/${plan.name}/accept_ra`, '0');
    setSysctl(linux.host, `net/ipv6/conf/${plan.name}/accept_dad`, '0');
  }
  socket.send([
    ...plan.addresses.map((address) => addAddress(link, address)),
    { type: 'set-link', link, up: true, ...(plan.staysOnHost && { gsoMaxSize }) },
  ]);
  for (const { name, value } of plan.sysctls ?? []) linux.host.setSysctl(name, value);
}

export const addAddress = (link: number, address: string): NetlinkRequest => ({
  type: 'add-address',
  link,
  address,
  noDad: address.includes(':'),
});

export const defaultRoute = (socket: NetlinkSocket, route: DefaultRoute): NetlinkRequest => ({
  type: 'add-route',
  family: route.family,
  gateway: route.gateway,
  link: indexOf(socket, route.interfaceName),
});

export function indexOf(socket: NetlinkSocket, name: string): number {
  const link = socket.link(name);
  if (!link) throw internal(`network interface ${name} not found`);
  return link.index;
}

/** The first is what there is without a choice. */
function choice<T extends string>(value: string | undefined, first: T, ...others: T[]): T {
  const found = value ? [first, ...others].find((each) => each === value) : first;
  if (found === undefined) throw internal(`requested mode '${value}' is not valid`);
  return found;
}
