import { Module } from '@nestjs/common';
import { InstanceConfigModule } from '@gantry/shared/config';
import { LateSync } from '@gantry/shared/durability';
import { EventsModule } from '@gantry/shared/events';
import { LoggingModule } from '@gantry/shared/logging';
import { ResolverService } from './dns/resolver.service';
import { ServiceDirectory } from './dns/service-directory';
import { FirewallService } from './firewall/firewall.service';
import { ForeignForward } from './firewall/foreign-forward';
import { RulesetWatch } from './firewall/ruleset-watch';
import { IpamService } from './ipam/ipam.service';
import { NetworkThread } from './kernel/network-thread';
import { LinuxModule } from './linux.module';
import { NetworkServiceLifecycle } from './network-service-lifecycle';
import { DefaultBridge } from './networks/default-bridge';
import { NetworkLinks } from './networks/network-links';
import { NetworksController } from './networks/networks.controller';
import { NetworksService } from './networks/networks.service';
import { PortAllocator } from './ports/port-allocator';
import { PortRelay } from './ports/port-relay';
import { NetworkRegistry } from './records/network-registry';
import { PostgresIndex } from './records/postgres-index';
import { SandboxRegistry } from './records/sandbox-registry';
import { HostResolver } from './resolv/host-resolver';
import { EndpointPlanner } from './sandboxes/endpoint-planner';
import { FormerAddresses } from './sandboxes/former-addresses';
import { SandboxBuilder } from './sandboxes/sandbox-builder';
import { SandboxPool } from './sandboxes/sandbox-pool';
import { SandboxPorts } from './sandboxes/sandbox-ports';
import { SandboxReaper } from './sandboxes/sandbox-reaper';
import { SandboxRecovery } from './sandboxes/sandbox-recovery';
import { SandboxesController } from './sandboxes/sandboxes.controller';
import { SandboxesService } from './sandboxes/sandboxes.service';

@Module({
  imports: [InstanceConfigModule, LoggingModule.for('network-service'), EventsModule, LinuxModule],
  providers: [
    LateSync,
    PostgresIndex,
    NetworkRegistry,
    SandboxRegistry,
    NetworkThread,
    IpamService,
    RulesetWatch,
    FirewallService,
    ForeignForward,
    PortAllocator,
    PortRelay,
    HostResolver,
    ServiceDirectory,
    ResolverService,
    DefaultBridge,
    NetworkLinks,
    NetworksService,
    NetworksController,
    EndpointPlanner,
    FormerAddresses,
    SandboxReaper,
    SandboxPool,
    SandboxPorts,
    SandboxBuilder,
    SandboxesService,
    SandboxesController,
    SandboxRecovery,
    NetworkServiceLifecycle,
  ],
})
export class NetworkServiceModule {}
