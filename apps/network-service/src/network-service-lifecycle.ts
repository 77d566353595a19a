import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { FirewallService } from './firewall/firewall.service';
import { ForeignForward } from './firewall/foreign-forward';
import { NetworkThread } from './kernel/network-thread';
import { NetworksService } from './networks/networks.service';
import { NetworkRegistry } from './records/network-registry';
import { PostgresIndex } from './records/postgres-index';
import { SandboxRegistry } from './records/sandbox-registry';
import { SandboxPool } from './sandboxes/sandbox-pool';
import { SandboxReaper } from './sandboxes/sandbox-reaper';
import { SandboxRecovery } from './sandboxes/sandbox-recovery';

/** The order of a start and of a stop. Neither disturbs the network of a container that runs. */
@Injectable()
export class NetworkServiceLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly thread: NetworkThread,
    private readonly networks: NetworksService,
    private readonly recovery: SandboxRecovery,
    private readonly firewall: FirewallService,
    private readonly foreign: ForeignForward,
    private readonly pool: SandboxPool,
    private readonly reaper: SandboxReaper,
    private readonly networkRegistry: NetworkRegistry,
    private readonly sandboxRegistry: SandboxRegistry,
    private readonly index: PostgresIndex,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const began = performance.now();
    await this.thread.stack.prepareHost();
    await this.networks.restore();
    await this.recovery.restore();
    await this.firewall.stand(
      this.networkRegistry.all(),
      this.sandboxRegistry.all().flatMap((sandbox) => sandbox.ports),
    );
    this.foreign.watch(() => this.networkRegistry.all());
    await this.recovery.reopenResolvers();
    await this.recovery.sweep();
    this.pool.start();
    const [networks, sandboxes] = [this.networkRegistry.all(), this.sandboxRegistry.all()];
    this.index.reconcile(networks, sandboxes);
    this.logger.info(
      {
        networks: networks.length,
        sandboxes: sandboxes.length,
        ms: Math.round(performance.now() - began),
      },
      'found again what was there',
    );
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.pool.drain();
    await this.reaper.drain();
  }
}
