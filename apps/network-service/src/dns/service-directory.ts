import { Injectable } from '@nestjs/common';
import { formatIp, parseIp } from '../ipam/cidr';
import { isDefaultBridge, type NetworkRecord } from '../records/network-record';
import { NetworkRegistry } from '../records/network-registry';
import type { EndpointRecord, SandboxRecord } from '../records/sandbox-record';
import { SandboxRegistry } from '../records/sandbox-registry';
import { dnsNames } from './dns-names';

interface Entry {
  sandbox: SandboxRecord;
  endpoint: EndpointRecord;
}

/** The names of one network. Keys are lower case. */
interface NetworkNames {
  byName: Map<string, Entry[]>;
  byAddress: Map<string, Entry>;
}

/** Who is called what on which network, as the containers on it may know. */
@Injectable()
export class ServiceDirectory {
  private names = new Map<string, NetworkNames>();
  private version = -1;

  constructor(
    private readonly networks: NetworkRegistry,
    private readonly sandboxes: SandboxRegistry,
  ) {}

  /**
   * The addresses of both families behind a name, as seen by a container: `name` or `name.network` on each of its networks, and its own
   * links. Undefined when it is nobody's name there.
   */
  addresses(containerId: string, name: string): string[] | undefined {
    const wanted = name.toLowerCase();
    const found: string[] = [];
    for (const { network, endpoint } of this.networksOf(containerId)) {
      const { byName } = this.namesOn(network.id);
      const suffix = `.${network.name.toLowerCase()}`;
      const short = wanted.endsWith(suffix) ? wanted.slice(0, -suffix.length) : undefined;
      const entries =
        byName.get(this.linked(endpoint, wanted) ?? wanted) ?? (short ? byName.get(short) : undefined) ?? [];
      found.push(...entries.flatMap((entry) => addressesOf(entry.endpoint)));
    }
    return found.length > 0 ? [...new Set(found)] : undefined;
  }

  /** `container.network` for an address on one of the container's networks. */
  nameOf(containerId: string, address: string): string | undefined {
    for (const { network } of this.networksOf(containerId)) {
      const entry = this.namesOn(network.id).byAddress.get(spelledAlike(address));
      if (entry) return `${entry.sandbox.containerName}.${network.name}`;
    }
    return undefined;
  }

  /** Whether the container has a way out: then names that nobody here has are asked for outside. */
  mayAskOutside(containerId: string): boolean {
    return this.networksOf(containerId).some(({ network }) => !network.internal);
  }

  private networksOf(containerId: string): { network: NetworkRecord; endpoint: EndpointRecord }[] {
    const endpoints = this.sandboxes.get(containerId)?.endpoints ?? [];
    return endpoints.flatMap((endpoint) => {
      const network = this.networks.get(endpoint.networkId);
      return network && !isDefaultBridge(network) ? [{ network, endpoint }] : [];
    });
  }

  /** `container:alias` of the endpoint's links: what stands behind an alias. */
  private linked(endpoint: EndpointRecord, name: string): string | undefined {
    for (const link of endpoint.settings.Links ?? []) {
      const [target = '', alias = target] = link.split(':');
      if (alias.toLowerCase() === name) return target.replace(/^\//, '').toLowerCase();
    }
    return undefined;
  }

  private namesOn(networkId: string): NetworkNames {
    if (this.version !== this.sandboxes.version) {
      this.names = new Map();
      this.version = this.sandboxes.version;
    }
    let names = this.names.get(networkId);
    if (!names) {
      names = this.collect(networkId);
      this.names.set(networkId, names);
    }
    return names;
  }

  private collect(networkId: string): NetworkNames {
    const names: NetworkNames = { byName: new Map(), byAddress: new Map() };
    for (const entry of this.sandboxes.endpointsOn(networkId)) {
      for (const address of addressesOf(entry.endpoint)) names.byAddress.set(spelledAlike(address), entry);
      for (const name of dnsNames(entry.sandbox, entry.endpoint)) {
        const key = name.toLowerCase();
        names.byName.set(key, [...(names.byName.get(key) ?? []), entry]);
      }
    }
    return names;
  }
}

function addressesOf({ address, ipv6 }: EndpointRecord): string[] {
  return [address, ipv6?.address ?? ''].filter((each) => each !== '');
}

function spelledAlike(address: string): string {
  const ip = parseIp(address);
  return ip ? formatIp(ip) : address;
}
