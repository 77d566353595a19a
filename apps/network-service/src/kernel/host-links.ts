import { randomBytes } from 'node:crypto';
import type { Linux, NetlinkSocket } from '@gantry/shared/linux';
import { addAddress, indexOf } from './container-interface';
import { setSysctl } from './kernel-settings';
import type { BridgePlan, ParentPlan } from './plans';

type Host = Linux['host'];

const NO_MAC = '00:00:00:00:00:00';
/** Locally administered, and of one station. */
const randomMac = (): string =>
  `02:42:${randomBytes(4)
    .toString('hex')
    .replace(/..(?=.)/g, '$&:')}`;

/** Makes the bridge, or completes the one that is there: idempotent. */
export function ensureBridge(host: Host, links: NetlinkSocket, plan: BridgePlan): void {
  const found = links.link(plan.name);
  const isNew = found === undefined;
  // A bridge whose MAC nobody has set takes that of one of its ports, and another one when that port goes: containers
  // would go on sending to the one that they know.
  if (isNew) {
    const { name, alias, mtu } = plan;
    links.send([{ type: 'add-bridge', name, alias, mtu, mac: randomMac() }]);
  } else if (found.alias === plan.alias) {
    // One that has lost all of its ports has none.
    const mac = found.mac === NO_MAC ? randomMac() : found.mac;
    links.send([{ type: 'set-link', link: found.index, mac, mtu: plan.mtu }]);
  }
  const link = indexOf(links, plan.name);
  setSysctl(host, `net/ipv6/conf/${plan.name}/accept_ra`, '0');
  // A bridge that somebody else has made may have IPv6 for a reason of his own.
  if (plan.ipv6) setSysctl(host, `net/ipv6/conf/${plan.name}/disable_ipv6`, '0');
  else if (isNew) setSysctl(host, `net/ipv6/conf/${plan.name}/disable_ipv6`, '1');
  const known = new Set(links.addresses(link).map(({ address }) => address));
  const missing = plan.addresses.filter((address) => !known.has(address));
  links.send([...missing.map((address) => addAddress(link, address)), { type: 'set-link', link, up: true }]);
  // Lets packets for 127.0.0.1:port be sent on to a container; the firewall drops 127/8 that comes from one.
  setSysctl(host, `net/ipv4/conf/${plan.name}/route_localnet`, '1');
}

/**
 * Makes the parent of macvlan or ipvlan interfaces, unless it is there. One that leads nowhere is a veth pair whose
 * other end is deaf: it has a carrier, which a dummy link or an empty bridge need not have, and every kernel has it.
 */
export function ensureParent(host: Host, links: NetlinkSocket, { name, alias, vlan, mtu }: ParentPlan): void {
  if (links.link(name)) return;
  if (vlan) {
    const parent = indexOf(links, vlan.parent);
    links.send([{ type: 'add-vlan', name, alias, mtu, parent, id: vlan.id, up: true }]);
    return;
  }
  const peer = `p${name.slice(1)}`;
  links.send([{ type: 'add-veth', name, alias, mtu, up: true, peer: { name: peer, mtu } }]);
  for (const end of [name, peer]) setSysctl(host, `net/ipv6/conf/${end}/disable_ipv6`, '1');
  setSysctl(host, `net/ipv4/conf/${peer}/arp_ignore`, '8');
  links.send([{ type: 'set-link', link: peer, up: true }]);
}
