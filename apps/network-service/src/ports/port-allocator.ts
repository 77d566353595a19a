import { closeSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { internal } from '@gantry/shared/errors';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import type { PortProtocol, PortRequest, PublishedPort } from '../records/sandbox-record';

const ANY = '0.0.0.0';
const DEFAULT_RANGE = [49153, 65535] as const;

interface Holder {
  hostIp: string;
  /** Keeps host processes off the port; absent for SCTP. */
  fd?: number;
}

/**
 * Which host ports this node's containers have. Each is also held by a bound socket that never listens, so that a host
 * process and a container cannot both believe that the port is theirs.
 */
@Injectable()
export class PortAllocator {
  private readonly holders = new Map<string, Holder[]>();
  private nextDynamic = 0;

  constructor(@Inject(LINUX) private readonly linux: Pick<Linux, 'sockets' | 'host'>) {}

  /**
   * Takes a host port for each request, all or none.
   * @param address the container's, which the ports lead to
   * @param defaultHostIp where a request names none
   * @throws Internal in dockerd's words when a port is taken, by us or by a process of the host
   */
  allocate(requests: readonly PortRequest[], address: string, defaultHostIp = ANY): PublishedPort[] {
    const taken: PublishedPort[] = [];
    try {
      for (const request of requests) {
        const hostIp = request.hostIp || defaultHostIp;
        const hostPort = this.take(request, hostIp, address);
        const { protocol, containerPort } = request;
        taken.push({ protocol, containerPort, hostIp, hostPort, address });
      }
    } catch (error) {
      this.release(taken);
      throw error;
    }
    return taken;
  }

  /** Takes ports again that a running container has. Answers those that meanwhile somebody else has as well. */
  restore(ports: readonly PublishedPort[]): PublishedPort[] {
    return ports.filter((port) => {
      try {
        this.reserve(port.protocol, port.hostIp, port.hostPort);
        return false;
      } catch {
        this.hold(port.protocol, port.hostPort, { hostIp: port.hostIp });
        return true;
      }
    });
  }

  release(ports: readonly PublishedPort[]): void {
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

  private take(request: PortRequest, hostIp: string, address: string): number {
    const { protocol, hostPortFirst: first, hostPortLast: last } = request;
    if (first === 0) return this.takeDynamic(protocol, hostIp);
    if (first === last) {
      if (this.isTaken(protocol, hostIp, first)) throw alreadyAllocated(hostIp, first);
      try {
        this.reserve(protocol, hostIp, first);
      } catch (error) {
        throw bindFailed(error, `${hostIp}:${first}:${address}:${request.containerPort}/${protocol}`);
      }
      return first;
    }
    for (let port = first; port <= last; port++) if (this.tryReserve(protocol, hostIp, port)) return port;
    throw internal(`Bind for ${hostIp}:${first}-${last} failed: port is already allocated`);
  }

  private takeDynamic(protocol: PortProtocol, hostIp: string): number {
    const [first, last] = this.dynamicRange();
    if (this.nextDynamic < first || this.nextDynamic > last) this.nextDynamic = first;
    for (let tried = first; tried <= last; tried++) {
      const port = this.nextDynamic;
      this.nextDynamic = port < last ? port + 1 : first;
      if (this.tryReserve(protocol, hostIp, port)) return port;
    }
    throw internal('all ports are allocated');
  }

  private tryReserve(protocol: PortProtocol, hostIp: string, port: number): boolean {
    if (this.isTaken(protocol, hostIp, port)) return false;
    try {
      this.reserve(protocol, hostIp, port);
      return true;
    } catch (error) {
      if (hasCode(error, 'EADDRINUSE')) return false;
      throw bindFailed(error, `${hostIp}:${port}/${protocol}`);
    }
  }

  private reserve(protocol: PortProtocol, hostIp: string, port: number): void {
    const fd =
      protocol === 'sctp'
        ? undefined
        : this.linux.sockets.reservePort({ protocol, address: hostIp, port }).fd;
    this.hold(protocol, port, { hostIp, fd });
  }

  private hold(protocol: PortProtocol, port: number, holder: Holder): void {
    const key = keyOf(protocol, port);
    this.holders.set(key, [...(this.holders.get(key) ?? []), holder]);
  }

  private isTaken(protocol: PortProtocol, hostIp: string, port: number): boolean {
    const holders = this.holders.get(keyOf(protocol, port)) ?? [];
    return holders.some((holder) => holder.hostIp === hostIp || holder.hostIp === ANY || hostIp === ANY);
  }

  private dynamicRange(): readonly [number, number] {
    const [first, last] = (this.linux.host.sysctl('net.ipv4.ip_local_port_range') ?? '')
      .split(/\s+/)
      .map(Number);
    return first && last && last > first ? [first, last] : DEFAULT_RANGE;
  }
}

const keyOf = (protocol: PortProtocol, port: number): string => `${protocol}/${port}`;

function alreadyAllocated(hostIp: string, port: number): Error {
  return internal(`Bind for ${hostIp}:${port} failed: port is already allocated`);
}

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
