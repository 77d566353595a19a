/** A link by its index (fast, exact) or by its name. */
export type LinkRef = number | string;

/** What every link that is created may say about itself. */
export interface NewLink {
  /** At most 15 bytes. */
  name: string;
  /** Choose the index instead of letting the kernel do it, so that later requests of the same batch can use it. */
  index?: number;
  mtu?: number;
  /** `02:42:ac:11:00:02` */
  mac?: string;
  /** Create it up. Not possible for the peer of a veth pair: bring that up afterwards. */
  up?: boolean;
  /** Index of the bridge it becomes a port of. */
  master?: number;
  /** Not together with `netns`. */
  alias?: string;
  /** Descriptor of the network namespace it is created in; default that of the socket. */
  netns?: number;
}

export interface AddBridge extends NewLink {
  type: 'add-bridge';
}

export interface AddDummy extends NewLink {
  type: 'add-dummy';
}

export interface AddVeth extends NewLink {
  type: 'add-veth';
  peer: Omit<NewLink, 'up' | 'master' | 'alias'>;
}

export interface AddMacvlan extends NewLink {
  type: 'add-macvlan';
  /** Index of the parent link, in the namespace of the socket. */
  parent: number;
  mode: 'bridge' | 'private' | 'vepa' | 'passthru';
}

export interface AddIpvlan extends NewLink {
  type: 'add-ipvlan';
  parent: number;
  mode: 'l2' | 'l3' | 'l3s';
  flag?: 'bridge' | 'private' | 'vepa';
}

export interface AddVlan extends NewLink {
  type: 'add-vlan';
  parent: number;
  /** 802.1Q VLAN id, 1 to 4094. */
  id: number;
}

export interface SetLink {
  type: 'set-link';
  link: LinkRef;
  up?: boolean;
  mtu?: number;
  mac?: string;
  /** New name: `link` must be an index, and the link down unless the kernel is newer than 6.2. */
  name?: string;
  alias?: string;
  /** Index of the bridge; null takes it out of its bridge. */
  master?: number | null;
  /** Descriptor of the namespace to move it to. */
  netns?: number;
  /** The largest piece that TCP gives it at once, in bytes, of both families. More than 65536 from kernel 6.3 on. */
  gsoMaxSize?: number;
}

/** Flags of a bridge port. */
export interface SetPort {
  type: 'set-port';
  link: number;
  /** Send frames back out of the port they came in by. */
  hairpin?: boolean;
  /** No traffic between isolated ports of one bridge. */
  isolated?: boolean;
}

export interface DeleteLink {
  type: 'delete-link';
  link: LinkRef;
}

export interface AddressChange {
  link: number;
  /** `172.17.0.2/16` or `fd00::2/64`. */
  address: string;
  /** IPv4 broadcast address. */
  broadcast?: string;
  /** IPv6: usable at once, without duplicate address detection. */
  noDad?: boolean;
}

export interface AddAddress extends AddressChange {
  type: 'add-address';
}

export interface DeleteAddress extends AddressChange {
  type: 'delete-address';
}

export interface RouteChange {
  /** `10.1.0.0/16`; undefined is the default route, whose family comes from the gateway or `family`. */
  destination?: string;
  gateway?: string;
  /** Index of the outgoing link. */
  link?: number;
  /** Preferred source address. */
  source?: string;
  metric?: number;
  /** Default 254, main. */
  table?: number;
  /** Take the gateway as reachable on `link` although no address says so. */
  onlink?: boolean;
  family?: 4 | 6;
}

export interface AddRoute extends RouteChange {
  type: 'add-route';
}

export interface DeleteRoute extends RouteChange {
  type: 'delete-route';
}

/** One change to the network, as data: what a batch consists of and what tests compare. */
export type NetlinkRequest =
  | AddBridge
  | AddDummy
  | AddVeth
  | AddMacvlan
  | AddIpvlan
  | AddVlan
  | SetLink
  | SetPort
  | DeleteLink
  | AddAddress
  | DeleteAddress
  | AddRoute
  | DeleteRoute;

/** A network interface as the kernel reports it. */
export interface Link {
  index: number;
  name: string;
  /** `bridge`, `veth`, `macvlan` ...; undefined for physical links and loopback. */
  kind?: string;
  /** IFF_* bits of netdevice(7). */
  flags: number;
  up: boolean;
  mtu: number;
  mac?: string;
  alias?: string;
  /** Index of the bridge it is a port of. */
  master?: number;
  /** Index of the other end of a veth pair, or of the parent; in another namespace if `peerNamespace` is set. */
  peer?: number;
  peerNamespace?: number;
  /** The largest piece that TCP gives it at once over IPv4, in bytes. */
  gsoMaxSize?: number;
  statistics: LinkStatistics;
}

/** Counters since the link was created (IFLA_STATS64). */
export interface LinkStatistics {
  rxPackets: number;
  txPackets: number;
  rxBytes: number;
  txBytes: number;
  rxErrors: number;
  txErrors: number;
  rxDropped: number;
  txDropped: number;
}

export interface Address {
  link: number;
  family: 4 | 6;
  /** With its prefix length: `172.17.0.1/16`. */
  address: string;
  /** RT_SCOPE_*: 0 global, 253 link, 254 host. */
  scope: number;
}

export interface Route {
  family: 4 | 6;
  /** undefined for the default route. */
  destination?: string;
  gateway?: string;
  link?: number;
  source?: string;
  metric: number;
  table: number;
  /** RT_SCOPE_*. */
  scope: number;
}
