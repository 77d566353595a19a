import { closeSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { internal, notImplemented } from '@gantry/shared/errors';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import type { PortProtocol, PortRequest, PublishedPort } from '../records/sandbox-record';

const ANY = { 4: '0.0.0.0', 6: '::' } as const;
const DEFAULT_RANGE = [49153, 65535] as const;

/** Where the ports of a container lead; of one family at least. */
export interface ContainerAddresses {
  ipv4?: string;
  ipv6?: string;
}

interface Holder {
  hostIp: string;
  /** Keeps host processes off the port; absent for SCTP where the kernel has none. */
  fd?: number;
}

/**
 * Which host ports this node's containers have. Each is also held by a bound socket, so that a host process and a
 * container cannot both believe that the port is theirs.
 */
@Injectable()
export class PortAllocator {
  private readonly holders = new Map<string, Holder[]>();
  private nextDynamic = 0;

  constructor(@Inject(LINUX) private readonly linux: Pick<Linux, 'sockets' | 'host'>) {}

  /**
   * Takes a host port for each request, all or none. A request that names no address is for every address of the host,
   * and gets the same port on both families.
   * @param defaultHostIp of the network, for a request that names none; `0.0.0.0` stands for both families, as in dockerd
   * @throws Internal in dockerd's words when a port is taken, by us or by a process of the host
   */
  allocate(
    requests: readonly PortRequest[],
    addresses: ContainerAddresses,
    defaultHostIp: string = ANY[4],
  ): PublishedPort[] {
    const taken: PublishedPort[] = [];
    try {
      for (const request of requests) {
        const hostIps = this.hostIps(request, addresses, defaultHostIp);
        const hostPort = this.take(request, hostIps, addresses);
        const { protocol, containerPort } = request;
        for (const hostIp of hostIps) {
          taken.push({ protocol, containerPort, hostIp, hostPort, address: addressFor(hostIp, addresses) });
        }
      }
    } catch (error) {
      this.release(taken);
      throw error;
    }
    return taken;
  }

  /** Takes ports again that a running container has. Answers those that meanwhile somebody else has as well. */
  restore(ports: readonly PublishedPort[]): PublishedPort[] {
    return ports.filter(({ protocol, hostIp, hostPort }) => {
      try {
        this.reserve(protocol, hostIp, hostPort);
        return false;
      } catch {
        this.hold(protocol, hostPort, { hostIp });
        return true;
      }
    });
  }

  release(ports: readonly Pick<PublishedPort, 'protocol' | 'hostIp' | 'hostPort'>[]): void {
    for (const { protocol, hostIp, hostPort } of ports) {
      const key = keyOf(protocol, hostPort);
      const holders = this.holders.get(key) ?? [];
      const found = holders.find((holder) => holder.hostIp === hostIp);
      if (!found) continue;
      if (found.fd !== undefined) closeSync(found.fd);
      const others = holders.filter((holder) => holder !== found);
      if (others.length > 0) this.holders.set(key, others);
      else this.holders.delete(key);
    }
  }

  /** The socket that holds a port; undefined when there is none. */
  socketOf({ protocol, hostIp, hostPort }: PublishedPort): number | undefined {
    return this.holders.get(keyOf(protocol, hostPort))?.find((holder) => holder.hostIp === hostIp)?.fd;
  }

  private hostIps(request: PortRequest, addresses: ContainerAddresses, defaultHostIp: string): string[] {
    const named = request.hostIp || (defaultHostIp === ANY[4] ? '' : defaultHostIp);
    const hasIpv6 = this.linux.host.sysctl('net.ipv6.conf.all.disable_ipv6') === '0';
    const hostIps = named ? [named] : hasIpv6 ? [ANY[4], ANY[6]] : [ANY[4]];
    if (request.protocol !== 'sctp') return hostIps;
    const led = hostIps.filter((hostIp) => (isIPv6(hostIp) ? addresses.ipv6 : addresses.ipv4));
    if (led.length > 0) return led;
    throw notImplemented(`SCTP ports on ${named || 'any address'} need a container with the same IP version`);
  }

  private take(request: PortRequest, hostIps: readonly string[], addresses: ContainerAddresses): number {
    const { protocol, hostPortFirst: first, hostPortLast: last } = request;
    if (first === 0) return this.takeDynamic(protocol, hostIps);
    if (first === last) {
      for (const hostIp of hostIps) {
        if (this.isTaken(protocol, hostIp, first)) {
          throw internal(`Bind for ${withPort(hostIp, first)} failed: port is already allocated`);
        }
      }
      this.reserveAll(protocol, hostIps, first, (hostIp) => {
        const target = withPort(addressFor(hostIp, addresses), request.containerPort);
        return `${withPort(hostIp, first)}:${target}/${protocol}`;
      });
      return first;
    }
    for (let port = first; port <= last; port++) if (this.tryReserve(protocol, hostIps, port)) return port;
    throw internal(`Bind for ${withPort(hostIps[0] ?? '', first)}-${last} failed: port is already allocated`);
  }

  private takeDynamic(protocol: PortProtocol, hostIps: readonly string[]): number {
    const [first, last] = this.dynamicRange();
    if (this.nextDynamic < first || this.nextDynamic > last) this.nextDynamic = first;
    for (let tried = first; tried <= last; tried++) {
      const port = this.nextDynamic;
      this.nextDynamic = port < last ? port + 1 : first;
      if (this.tryReserve(protocol, hostIps, port)) return port;
    }
    throw internal('all ports are allocated');
  }

  private tryReserve(protocol: PortProtocol, hostIps: readonly string[], port: number): boolean {
    if (hostIps.some((hostIp) => this.isTaken(protocol, hostIp, port))) return false;
    try {
      this.reserveAll(protocol, hostIps, port, (hostIp) => `${withPort(hostIp, port)}/${protocol}`);
      return true;
    } catch (error) {
      if (hasCode((error as Error).cause, 'EADDRINUSE')) return false;
      throw error;
    }
  }

  /** On all addresses or on none. @param binding how an error names it */
  private reserveAll(
    protocol: PortProtocol,
    hostIps: readonly string[],
    hostPort: number,
    binding: (hostIp: string) => string,
  ): void {
    const done: string[] = [];
    for (const hostIp of hostIps) {
      try {
        this.reserve(protocol, hostIp, hostPort);
        done.push(hostIp);
      } catch (error) {
        this.release(done.map((each) => ({ protocol, hostIp: each, hostPort })));
        throw bindFailed(error, binding(hostIp));
      }
    }
  }

  private reserve(protocol: PortProtocol, hostIp: string, port: number): void {
    this.hold(protocol, port, { hostIp, fd: this.bind(protocol, hostIp, port) });
  }

  private bind(protocol: PortProtocol, address: string, port: number): number | undefined {
    try {
      return this.linux.sockets.reservePort({ protocol, address, port }).fd;
    } catch (error) {
      if (protocol === 'sctp' && hasCode(error, 'EPROTONOSUPPORT')) return undefined;
      throw error;
    }
  }

  private hold(protocol: PortProtocol, port: number, holder: Holder): void {
    const key = keyOf(protocol, port);
    this.holders.set(key, [...(this.holders.get(key) ?? []), holder]);
  }

  private isTaken(protocol: PortProtocol, hostIp: string, port: number): boolean {
    const any = ANY[isIPv6(hostIp) ? 6 : 4];
    return (this.holders.get(keyOf(protocol, port)) ?? []).some(
      (holder) =>
        holder.hostIp === hostIp ||
        holder.hostIp === any ||
        (hostIp === any && isIPv6(holder.hostIp) === isIPv6(hostIp)),
    );
  }

  private dynamicRange(): readonly [number, number] {
    const [first, last] = (this.linux.host.sysctl('net.ipv4.ip_local_port_range') ?? '')
      .split(/\s+/)
      .map(Number);
    return first && last && last > first ? [first, last] : DEFAULT_RANGE;
  }
}

/** Of the same family where the container has one; the relay leads from one family to the other. */
function addressFor(hostIp: string, { ipv4, ipv6 }: ContainerAddresses): string {
  return (isIPv6(hostIp) ? (ipv6 ?? ipv4) : (ipv4 ?? ipv6)) ?? '';
}

const keyOf = (protocol: PortProtocol, port: number): string => `${protocol}/${port}`;

const withPort = (ip: string, port: number): string => (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`);

function bindFailed(error: unknown, binding: string): Error {
  const reason = hasCode(error, 'EADDRINUSE')
    ? 'address already in use'
    : hasCode(error, 'EADDRNOTAVAIL')
      ? 'cannot assign requested address'
      : hasCode(error, 'EACCES')
        ? 'permission denied'
        : String(error);
  return internal(`failed to bind host port for ${binding}: ${reason}`, error);
}
