import { forbidden, invalidArgument } from '@gantry/shared/errors';
import { type Cidr, contains, endOf, type Ip, sizeOf } from './cidr';

/**
 * The addresses of one subnet. Dynamic ones are handed out from `range`, each after the one before it, so that an address
 * that was given back is used again as late as possible (neighbours still have it in their caches).
 */
export class AddressSpace {
  private readonly used = new Set<bigint>();
  /** Of those, the ones that no container has any more, and that are not free yet. */
  private readonly retired = new Set<bigint>();
  private cursor: bigint;

  constructor(
    readonly subnet: Cidr,
    private readonly range: Cidr = subnet,
  ) {
    this.cursor = range.base;
    // The network's own address: IPv6 has the routers' anycast address there, and no broadcast.
    if (sizeOf(subnet) > 2n) {
      this.used.add(subnet.base);
      if (subnet.family === 4) this.used.add(endOf(subnet) - 1n);
    }
  }

  /** The next free address; undefined when there is none. */
  allocate(): Ip | undefined {
    const size = sizeOf(this.range);
    // After as many as are used one has to be free: no need to walk through a /64.
    for (let tried = 0n; tried < size && tried <= this.used.size; tried++) {
      const value = this.cursor;
      this.cursor = value + 1n < endOf(this.range) ? value + 1n : this.range.base;
      if (!this.used.has(value)) {
        this.used.add(value);
        return { family: this.subnet.family, value };
      }
    }
    return undefined;
  }

  /** @throws Forbidden or InvalidArgument in dockerd's words. */
  claim(ip: Ip): void {
    if (!contains(this.subnet, ip)) throw invalidArgument('Requested address is out of range');
    if (this.used.has(ip.value)) throw forbidden('Address already in use');
    this.used.add(ip.value);
  }

  /** Whether it is one of those that are handed out. */
  isDynamic(ip: Ip): boolean {
    return contains(this.range, ip);
  }

  isUsed(ip: Ip): boolean {
    return this.used.has(ip.value);
  }

  /** Nobody's any more, though not to be had before it is released. */
  retire(ip: Ip): void {
    if (this.used.has(ip.value)) this.retired.add(ip.value);
  }

  release(ip: Ip): void {
    this.used.delete(ip.value);
    this.retired.delete(ip.value);
  }

  /** API: SubnetStatus. */
  status(): { IPsInUse: bigint; DynamicIPsAvailable: bigint } {
    const { family } = this.subnet;
    const used = [...this.used].filter((value) => !this.retired.has(value));
    const inRange = used.filter((value) => contains(this.range, { family, value })).length;
    return {
      IPsInUse: BigInt(used.length),
      DynamicIPsAvailable: atMostUint64(sizeOf(this.range) - BigInt(inRange)),
    };
  }
}

const atMostUint64 = (count: bigint): bigint => (count >> 64n > 0n ? (1n << 64n) - 1n : count);
