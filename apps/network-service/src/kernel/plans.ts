/** What the worker thread is asked to build, as data. */

export interface BridgePlan {
  /** At most 15 bytes. */
  name: string;
  alias: string;
  /** The host's address on it, with prefix length; absent: the bridge has none. */
  address?: string;
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
  /** In the namespace: `eth0`. */
  name: string;
  /** Not for ipvlan, which has its parent's. */
  mac?: string;
  /** With prefix length. */
  address: string;
  mtu?: number;
  /** The bridge forwards nothing between this and other isolated ports. */
  isolated?: boolean;
  /** Names as paths: `net/ipv4/conf/eth0/log_martians`. */
  sysctls?: { name: string; value: string }[];
}

export interface DefaultRoute {
  gateway: string;
  /** The interface inside the namespace. */
  interfaceName: string;
}

export interface SandboxPlan {
  /** Where the namespace is kept. */
  path: string;
  interfaces: InterfacePlan[];
  defaultRoute?: DefaultRoute;
}

export interface ResolverSockets {
  udp: number;
  tcp: number;
  port: number;
}
