/** A container's network, as kept on disk: `<data root>/network/<container id>.json`. */
export interface SandboxRecord {
  containerId: string;
  /** Without the leading slash. */
  containerName: string;
  sandboxId: string;
  hostname: string;
  domainname: string;
  mode: string;
  endpoints: EndpointRecord[];
  /** `80/tcp` and so on: what the image or the user exposes. */
  exposedPorts: string[];
  /** What was asked for; published on the endpoint that has the default route. */
  portRequests: PortRequest[];
  /** What is published now. */
  ports: PublishedPort[];
  resolver: ResolverSettings;
  extraHosts: string[];
  links: { containerId: string; containerName: string; alias: string }[];
  /** Missing: container-service; `build`: image-service, for build steps. */
  owner?: string;
  /** Port of the resolver inside the namespace. */
  dnsPort?: number;
}

export interface ResolverSettings {
  servers: string[];
  search: string[];
  options: string[];
}

export interface EndpointRecord {
  id: string;
  networkId: string;
  /** In the container: `eth0`. */
  interfaceName: string;
  /** On the host; absent for macvlan, ipvlan and null. */
  hostLink?: string;
  /** IPv4. All empty on the network `none`, and where IPv4 is off. */
  address: string;
  prefix: number;
  /** Empty: it gives no default route, unless `routesByLink`. */
  gateway: string;
  /** Absent where IPv6 is off. */
  ipv6?: { address: string; prefix: number; gateway: string };
  /** Its default routes need no gateway (ipvlan in mode l3). */
  routesByLink?: boolean;
  mac: string;
  settings: EndpointSettings;
}

/** API: the part of EndpointSettings that a user may set. */
export interface EndpointSettings {
  IPAMConfig?: { IPv4Address?: string; IPv6Address?: string; LinkLocalIPs?: string[] } | null;
  Links?: string[] | null;
  Aliases?: string[] | null;
  MacAddress?: string;
  DriverOpts?: Record<string, string> | null;
  GwPriority?: number;
}

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

export interface PortRequest {
  protocol: PortProtocol;
  containerPort: number;
  /** Empty: the network's default. */
  hostIp: string;
  /** Inclusive; 0 to 0 lets us choose. */
  hostPortFirst: number;
  hostPortLast: number;
}

export interface PublishedPort {
  protocol: PortProtocol;
  containerPort: number;
  hostIp: string;
  /** 0: the container is reached by its own address, where the port is open. */
  hostPort: number;
  /** Where it leads. */
  address: string;
}
