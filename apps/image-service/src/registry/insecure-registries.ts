import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { ImageSettings } from '../image-settings';
import { hostnameOf, isInRange } from './addresses';

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
/** What dockerd never takes for insecure by its address. */
const DOCKER_HUB = ['registry-1.docker.io', 'docker.io', 'index.docker.io'];
/** A pull asks often, and /etc/hosts may change. */
const KEPT_MS = 10_000;

type Resolve = (hostname: string) => Promise<string[]>;

/**
 * From whom plain HTTP and unverified certificates are taken. As in dockerd a name counts as what it resolves to:
 * `registry` of /etc/hosts at 127.0.0.1, and names in an insecure range.
 */
export class InsecureRegistries {
  private readonly ranges: string[];
  private readonly resolved = new Map<string, { at: number; addresses: Promise<string[]> }>();

  constructor(
    private readonly settings: Pick<ImageSettings, 'insecureRegistries'>,
    private readonly resolve: Resolve = resolveByHost,
  ) {
    this.ranges = [...LOOPBACK, ...settings.insecureRegistries.filter((entry) => entry.includes('/'))];
  }

  /** @param host `host[:port]` */
  async has(host: string): Promise<boolean> {
    const hostname = hostnameOf(host);
    if (hostname === 'localhost') return true;
    if (this.settings.insecureRegistries.some((entry) => entry === host || entry === hostname)) return true;
    if (DOCKER_HUB.includes(hostname)) return false;
    const addresses = isIP(hostname) ? [hostname] : await this.addressesOf(hostname);
    return addresses.some((address) => this.ranges.some((range) => isInRange(range, address)));
  }

  /** None where the name is nobody's: the request itself says so. */
  private addressesOf(hostname: string): Promise<string[]> {
    const known = this.resolved.get(hostname);
    if (known && Date.now() - known.at < KEPT_MS) return known.addresses;
    const addresses = this.resolve(hostname).catch(() => []);
    this.resolved.set(hostname, { at: Date.now(), addresses });
    return addresses;
  }
}

async function resolveByHost(hostname: string): Promise<string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}
