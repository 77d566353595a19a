import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { messageOf } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { Ip } from '../ipam/cidr';
import { IpamService } from '../ipam/ipam.service';
import { NetworkThread } from '../kernel/network-thread';

/** While namespaces are taken down, the kernel holds up everybody who works on links: so many at once, and then rest. */
const GATHER_MS = 100;
const MAX_GATHERED = 32;
/** Until a namespace that something still uses loses its links by force. */
const PATIENCE_MS = 3_000;
const LOOK_AGAIN_MS = 200;

/** What is left of a sandbox when its container is done with it. */
export interface Remains {
  /** The files that hold the namespace. */
  paths: string[];
  addresses: { networkId: string; ip: Ip; hostLink?: string }[];
}

type Retiring = Remains['addresses'][number] & { since: number };

/**
 * Takes namespaces down after the reply. An address is free again when its interface is really gone: until then the
 * kernel would answer for it in the name of the old container.
 */
@Injectable()
export class SandboxReaper implements OnApplicationShutdown {
  private readonly paths = new Set<string>();
  /** Those that the network thread is at. */
  private readonly inHand = new Map<string, Promise<void>>();
  private readonly retiring = new Set<Retiring>();
  private timer?: NodeJS.Timeout;
  private stopped = false;

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly thread: NetworkThread,
    private readonly ipam: IpamService,
  ) {}

  add(remains: Remains): void {
    const since = Date.now();
    for (const path of remains.paths) this.paths.add(path);
    for (const address of remains.addresses) {
      this.retiring.add({ ...address, since });
      this.ipam.retire(address.networkId, address.ip);
    }
    if (this.paths.size >= MAX_GATHERED) this.run();
    else this.schedule(GATHER_MS);
  }

  /** Makes sure that nothing is kept at `path`. */
  async clear(path: string): Promise<void> {
    // What is mounted there now must not meet what is about to be unmounted there.
    await this.inHand.get(path)?.catch(() => {});
    if (this.paths.delete(path)) await this.drop([path]);
  }

  /** Frees an address now, should it be one that waits for its interface to go. Costs the kernel 20 ms. */
  async reclaim(networkId: string, ip: Ip): Promise<void> {
    for (const address of this.retiring) {
      if (address.networkId === networkId && isSame(address.ip, ip)) await this.force(address);
    }
  }

  /** Frees all addresses of a network that wait. Answers whether there were any. */
  async reclaimAll(networkId: string): Promise<boolean> {
    const found = [...this.retiring].filter((address) => address.networkId === networkId);
    for (const address of found) await this.force(address);
    return found.length > 0;
  }

  /** Drops everything that waits, so that the next start finds nothing. */
  async drain(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.drop(this.takePaths());
  }

  onApplicationShutdown(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private schedule(ms: number): void {
    if (this.stopped) return;
    this.timer ??= setTimeout(() => this.run(), ms);
  }

  private run(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.reap().catch((error: unknown) => {
      if (this.stopped) return;
      this.logger.error({ err: messageOf(error) }, 'sandbox not taken down');
      this.schedule(PATIENCE_MS);
    });
  }

  private async reap(): Promise<void> {
    const paths = this.takePaths();
    if (paths.length > 0) await this.drop(paths);
    const waiting = [...this.retiring];
    const links = waiting.flatMap(({ hostLink }) => (hostLink ? [hostLink] : []));
    const gone = new Set(links.length > 0 ? await this.thread.stack.goneLinks(links) : []);
    for (const address of waiting) {
      if (!address.hostLink || gone.has(address.hostLink)) this.free(address);
      else if (Date.now() - address.since > PATIENCE_MS) await this.force(address);
    }
    if (this.retiring.size > 0) this.schedule(LOOK_AGAIN_MS);
  }

  /** What was not dropped is tried again with the next ones. */
  private async drop(paths: string[]): Promise<void> {
    const dropping = this.thread.stack.dropSandboxes(paths);
    for (const path of paths) this.inHand.set(path, dropping);
    try {
      await dropping;
    } catch (error) {
      for (const path of paths) this.paths.add(path);
      throw error;
    } finally {
      for (const path of paths) if (this.inHand.get(path) === dropping) this.inHand.delete(path);
    }
  }

  private async force(address: Retiring): Promise<void> {
    if (address.hostLink) await this.thread.stack.removeLink(address.hostLink);
    this.free(address);
  }

  private free(address: Retiring): void {
    if (this.retiring.delete(address)) this.ipam.release(address.networkId, address.ip);
  }

  private takePaths(): string[] {
    const paths = [...this.paths];
    this.paths.clear();
    return paths;
  }
}

const isSame = (a: Ip, b: Ip): boolean => a.family === b.family && a.value === b.value;
