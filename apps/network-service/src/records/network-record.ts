/** What a network is, as kept on disk: `<data root>/network/networks/<id>.json`. */
export interface NetworkRecord {
  /** 64 hex digits. */
  id: string;
  name: string;
  driver: NetworkDriver;
  /** RFC 3339 with nanoseconds. */
  created: string;
  internal: boolean;
  attachable: boolean;
  labels: Record<string, string>;
  /** As given by the user, `com.docker.network.*` and others. */
  options: Record<string, string>;
  ipam: { driver: string; options: Record<string, string>; config: SubnetRecord[] };
  /** The user chose the subnet: only then may containers choose their addresses. */
  ownSubnet: boolean;
  /** The bridge's interface (drivers bridge), or the parent's (macvlan, ipvlan). */
  link?: string;
}

export type NetworkDriver = 'bridge' | 'host' | 'null' | 'macvlan' | 'ipvlan';

export interface SubnetRecord {
  subnet: string;
  gateway: string;
  ipRange?: string;
  auxiliaryAddresses: Record<string, string>;
}

/** Made at the first start of an instance, never removed. */
export const PREDEFINED = ['bridge', 'host', 'none'] as const;

export function isPredefined(name: string): boolean {
  return (PREDEFINED as readonly string[]).includes(name);
}

/** The default bridge network has no DNS, no aliases, and the legacy fields of NetworkSettings. */
export function isDefaultBridge(network: NetworkRecord): boolean {
  return network.name === 'bridge';
}

export const OPTION = {
  bridgeName: 'com.docker.network.bridge.name',
  icc: 'com.docker.network.bridge.enable_icc',
  masquerade: 'com.docker.network.bridge.enable_ip_masquerade',
  hostBinding: 'com.docker.network.bridge.host_binding_ipv4',
  defaultBridge: 'com.docker.network.bridge.default_bridge',
  mtu: 'com.docker.network.driver.mtu',
  interfacePrefix: 'com.docker.network.container_iface_prefix',
  gatewayMode: 'com.docker.network.bridge.gateway_mode_ipv4',
  parent: 'parent',
  macvlanMode: 'macvlan_mode',
  ipvlanMode: 'ipvlan_mode',
} as const;

/** `true` unless the option says otherwise. */
export function isOptionOn(network: NetworkRecord, option: string): boolean {
  const value = network.options[option];
  return value === undefined || ['true', '1', 't', 'T', 'True', 'TRUE'].includes(value);
}

/** Bytes. */
export function mtuOf(network: NetworkRecord): number | undefined {
  const mtu = Number(network.options[OPTION.mtu] ?? 0);
  return mtu > 0 ? mtu : undefined;
}
