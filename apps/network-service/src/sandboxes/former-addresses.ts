import { Injectable } from '@nestjs/common';
import { type Ip, parseIp } from '../ipam/cidr';
import type { EndpointRecord } from '../records/sandbox-record';

/** Nobody says when a container is removed: the oldest are forgotten. */
const REMEMBERED = 10_000;

/** Which addresses containers had that are stopped or disconnected now: they get them again where nobody else has them. */
@Injectable()
export class FormerAddresses {
  /** By container and network, the newest last. */
  private readonly addresses = new Map<string, Ip[]>();

  remember(containerId: string, { networkId, address, ipv6 }: EndpointRecord): void {
    const ips = [address, ipv6?.address ?? ''].flatMap((text) => parseIp(text) ?? []);
    if (ips.length === 0) return;
    const key = `${containerId} ${networkId}`;
    this.addresses.delete(key);
    this.addresses.set(key, ips);
    const oldest = this.addresses.keys().next();
    if (this.addresses.size > REMEMBERED && !oldest.done) this.addresses.delete(oldest.value);
  }

  of(containerId: string, networkId: string): readonly Ip[] {
    return this.addresses.get(`${containerId} ${networkId}`) ?? [];
  }
}
