/** What a network is, as kept on disk: `<data root>/network/networks/<id>.json`. */
export interface NetworkRecord {
  /** 64 hex digits. */
  id: string;
  name: string;
  driver: NetworkDriver;
  /** RFC 3339 with nanoseconds. */
  created: string;
  ipv4: boolean;
  ipv6: boolean;
  internal: boolean;
  attachable: boolean;
  /** Only a template for other networks: nothing of it is in the kernel. */
  configOnly: boolean;
  /** Name of the config-only network that it was made from; or empty. */
  configFrom: string;
  labels: Record<string, string>;
  /** As given by the user, `com.docker.network.*` and others. */
  options: Record<string, string>;
  ipam: { driver: string; options: Record<string, string>; config: SubnetRecord[] };
  /** The bridge's interface (drivers bridge), or the parent's (macvlan, ipvlan). */
  link?: string;
}

export type NetworkDriver = 'bridge' | 'host' | 'null' | 'macvlan' | 'ipvlan';

export interface SubnetRecord {
  subnet: string;
  /** Empty where nobody needs one. */
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

/** A record that an earlier version has written, with what has come since. */
export function completed(record: NetworkRecord): NetworkRecord {
  const since = { ipv4: true, ipv6: false, configOnly: false, configFrom: '' };
  return { ...since, ...record };
}
