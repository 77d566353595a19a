import type { Family } from '../ipam/cidr';

/** What the worker thread is asked to build, as data. */

export interface BridgePlan {
  /** At most 15 bytes. */
  name: string;
  alias: string;
  /** The host's addresses on it, with prefix length. */
  addresses: string[];
  /** Whether IPv6 is on for it: without, not even link-local packets reach the host. */
  ipv6: boolean;
  mtu?: number;
}

/** The parent of macvlan and ipvlan interfaces, where it is not one that the host has. */
export interface ParentPlan {
  name: string;
  alias: string;
  /** An 802.1Q link of this id on that parent; absent: a link that leads nowhere. */
  vlan?: { parent: string; id: number };
  mtu?: number;
}

export interface InterfacePlan {
  kind: 'veth' | 'macvlan' | 'ipvlan';
  /** Name of the host's end; veth only. */
  hostLink?: string;
  alias?: string;
  /** The bridge (veth) or the parent link (macvlan, ipvlan). */
  parent: string;
  mode?: string;
  /** ipvlan: bridge, private, vepa. */
  flag?: string;
  /** In the namespace: `eth0`. */
  name: string;
  /** Not for ipvlan, which has its parent's. */
  mac?: string;
  /** With prefix length, of both families. */
  addresses: string[];
  mtu?: number;
  /** Nothing that is sent by it leaves the host. */
  staysOnHost?: boolean;
  /** The bridge forwards nothing between this and other isolated ports. */
  isolated?: boolean;
  /** Names as paths: `net/ipv4/conf/eth0/log_martians`. */
  sysctls?: { name: string; value: string }[];
}

export interface DefaultRoute {
  family: Family;
  /** Absent: everything is reached by the interface itself. */
  gateway?: string;
  /** The interface inside the namespace. */
  interfaceName: string;
}

export interface SandboxPlan {
  /** Where the namespace is kept. */
  path: string;
  interfaces: InterfacePlan[];
  /** At most one of each family. */
  defaultRoutes: DefaultRoute[];
}

export interface ResolverSockets {
  udp: number;
  tcp: number;
  port: number;
}
