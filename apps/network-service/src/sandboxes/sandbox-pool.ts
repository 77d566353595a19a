import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { networkPaths, poolSize } from '../config';
import { NetworkThread } from '../kernel/network-thread';
import { NetworkRegistry } from '../records/network-registry';
import { type EndpointPlan, EndpointPlanner } from './endpoint-planner';
import { defaultRoutes } from './gateway-endpoints';
import { interfaceNames } from './interface-names';

/** Below this many, refilling does not wait for a quiet moment. */
const LOW = 3;
const QUIET_MS = 15;
const RETRY_MS = 1_000;

export interface PooledSandbox extends EndpointPlan {
  /** Where the namespace is kept until it has a container. */
  path: string;
}

/**
 * Namespaces with an interface on the default bridge, up and with an address, waiting for a container. Made ahead
 * because making one takes longer (2.5 ms, and 50-90 ms while others are taken down) than a container may wait.
 */
@Injectable()
export class SandboxPool {
  private readonly ready: PooledSandbox[] = [];
  private readonly directory: string;
  private readonly size = poolSize();
  private timer?: NodeJS.Timeout;
  private filling?: Promise<void>;
  private open = false;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly networks: NetworkRegistry,
    private readonly thread: NetworkThread,
    private readonly planner: EndpointPlanner,
  ) {
    this.directory = networkPaths(config).pool;
    mkdirSync(this.directory, { recursive: true, mode: 0o711 });
  }

  /** Begins to fill. Who comes before there is one gets a namespace of its own making. */
  start(): void {
    this.open = true;
    void this.fill();
  }

  /** One that is ready, now the caller's; undefined when there is none. */
  take(): PooledSandbox | undefined {
    const taken = this.ready.shift();
    if (this.open && this.size > 0) {
      if (this.ready.length < LOW) void this.fill();
      else {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => void this.fill(), QUIET_MS);
      }
    }
    return taken;
  }

  /** Stops filling and takes everything down. */
  async drain(): Promise<void> {
    this.open = false;
    clearTimeout(this.timer);
    await this.filling;
    const left = this.ready.splice(0);
    await this.thread.stack.dropSandboxes(left.map((sandbox) => sandbox.path));
  }

  private fill(): Promise<void> {
    this.filling ??= this.fillUp()
      .catch((error: unknown) => {
        this.logger.error({ err: messageOf(error) }, 'no namespace for the pool');
        if (this.open) this.timer = setTimeout(() => void this.fill(), RETRY_MS);
      })
      .finally(() => {
        this.filling = undefined;
      });
    return this.filling;
  }

  private async fillUp(): Promise<void> {
    while (this.open && this.ready.length < this.size) {
      const network = this.networks.defaultBridge;
      const [name = ''] = interfaceNames([{ network, settings: {} }], []);
      const plan = await this.planner.plan('', network, {}, name);
      const path = join(this.directory, plan.record.hostLink ?? plan.record.id);
      try {
        await this.thread.stack.buildSandbox({
          path,
          interfaces: [plan.interface],
          defaultRoutes: defaultRoutes({ ipv4: plan.record, ipv6: plan.record }),
        });
      } catch (error) {
        this.planner.release(plan);
        throw error;
      }
      this.ready.push({ ...plan, path });
    }
  }
}
