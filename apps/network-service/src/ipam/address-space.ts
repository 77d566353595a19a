import { forbidden, invalidArgument } from '@gantry/shared/errors';
import { type Cidr, contains, sizeOf } from './cidr';

/**
 * The addresses of one subnet. Dynamic ones are handed out from `range`, each after the one before it, so that an address
 * that was given back is used again as late as possible (neighbours still have it in their caches).
 */
export class AddressSpace {
  private readonly used = new Set<number>();
  private cursor: number;

  constructor(
    readonly subnet: Cidr,
    private readonly range: Cidr = subnet,
  ) {
    this.cursor = range.base;
    // /31 and /32 have no network and broadcast address.
    if (subnet.prefix < 31) {
      this.used.add(subnet.base);
      this.used.add(subnet.base + sizeOf(subnet.prefix) - 1);
    }
  }

  /** The next free address; undefined when there is none. */
  allocate(): number | undefined {
    const size = sizeOf(this.range.prefix);
    for (let tried = 0; tried < size; tried++) {
      const candidate = this.cursor;
      this.cursor = candidate + 1 < this.range.base + size ? candidate + 1 : this.range.base;
      if (!this.used.has(candidate)) {
        this.used.add(candidate);
        return candidate;
      }
    }
    return undefined;
  }

  /** @throws Forbidden or InvalidArgument in dockerd's words. */
  claim(ip: number): void {
    if (!contains(this.subnet, ip)) throw invalidArgument('Requested address is out of range');
    if (this.used.has(ip)) throw forbidden('Address already in use');
    this.used.add(ip);
  }

  isUsed(ip: number): boolean {
    return this.used.has(ip);
  }

  release(ip: number): void {
    this.used.delete(ip);
  }

  /** API: SubnetStatus. */
  status(): { IPsInUse: number; DynamicIPsAvailable: number } {
    const inRange = [...this.used].filter((ip) => contains(this.range, ip)).length;
    return { IPsInUse: this.used.size, DynamicIPsAvailable: sizeOf(this.range.prefix) - inRange };
  }
}
