import { Injectable } from '@nestjs/common';
import type { ContainerServiceServer } from '@gantry/proto/container';
import { fromJson, toJson, writeMessage, type Implementation } from '@gantry/shared/grpc';
import { PruneTurn } from '@gantry/shared/prunes';
import { ArchiveService } from './archive/archive.service';
import { AttachService } from './attach/attach.service';
import { ContainerStreams } from './attach/container-streams';
import { ContainerCreator } from './create/container-creator';
import { ContainerCommitter } from './lifecycle/container-committer';
import { ContainerPauser } from './lifecycle/container-pauser';
import { ContainerStarter } from './lifecycle/container-starter';
import { ContainerStopper } from './lifecycle/container-stopper';
import { ContainerUpdater } from './lifecycle/container-updater';
import { ContainerWaiters, waitCondition } from './lifecycle/container-waiters';
import { ContainerListing } from './listing/container-listing';
import { ContainerPrune } from './listing/container-prune';
import { NodeInfo } from './listing/node-info';
import { LogsService } from './logs/logs.service';
import { ContainerNetworks } from './networks/container-networks';
import { LinkRemoval } from './networks/link-removal';
import type { EndpointSettings } from './records/api-documents';
import { ContainerStore } from './records/container-store';
import { ServicePeers } from './service-peers';
import { StatsService } from './stats/stats.service';
import { TopService } from './stats/top.service';

type Service = Implementation<ContainerServiceServer>;

/** gantry.container.v1.ContainerService: what can be asked, and who does it. */
@Injectable()
export class ContainerController implements Service {
  private readonly prunes = new PruneTurn();

  constructor(
    private readonly store: ContainerStore,
    private readonly creator: ContainerCreator,
    private readonly starter: ContainerStarter,
    private readonly stopper: ContainerStopper,
    private readonly pauser: ContainerPauser,
    private readonly updater: ContainerUpdater,
    private readonly waiters: ContainerWaiters,
    private readonly listing: ContainerListing,
    private readonly pruner: ContainerPrune,
    private readonly node: NodeInfo,
    private readonly committer: ContainerCommitter,
    private readonly networks: ContainerNetworks,
    private readonly links: LinkRemoval,
    private readonly peers: ServicePeers,
    private readonly attachments: AttachService,
    private readonly streams: ContainerStreams,
    private readonly logReader: LogsService,
    private readonly archives: ArchiveService,
    private readonly usage: StatsService,
    private readonly processes: TopService,
  ) {}

  create: Service['create'] = (request) => this.creator.create(request);

  list: Service['list'] = async (request) => toJson(await this.listing.list(request));

  inspect: Service['inspect'] = async ({ container, size }) =>
    toJson(await this.listing.inspect(container, size));

  start: Service['start'] = async ({ container }) => {
    await this.starter.start(container);
    return {};
  };

  stop: Service['stop'] = async ({ container, signal, timeoutSeconds }) => {
    await this.stopper.stop(container, { signal, seconds: timeoutSeconds });
    return {};
  };

  restart: Service['restart'] = async ({ container, signal, timeoutSeconds }) => {
    await this.stopper.restart(container, { signal, seconds: timeoutSeconds });
    return {};
  };

  kill: Service['kill'] = async ({ container, signal }) => {
    await this.stopper.kill(container, signal);
    return {};
  };

  pause: Service['pause'] = async ({ container }) => {
    await this.pauser.pause(container);
    return {};
  };

  unpause: Service['unpause'] = async ({ container }) => {
    await this.pauser.unpause(container);
    return {};
  };

  rename: Service['rename'] = async ({ container, name }) => {
    await this.updater.rename(container, name);
    return {};
  };

  update: Service['update'] = async ({ container, config }) =>
    toJson({ Warnings: await this.updater.update(container, config) });

  remove: Service['remove'] = async ({ container, volumes, force, link }) => {
    if (link) await this.links.remove(container);
    else await this.stopper.remove(container, { force, volumes });
    return {};
  };

  wait: Service['wait'] = async (call) => {
    const condition = waitCondition(call.request.condition);
    const remembered = this.waiters.rememberedEnd(call.request.container, condition);
    if (remembered) {
      await writeMessage(call, { event: { $case: 'registered', value: {} } });
      await writeMessage(call, { event: { $case: 'result', value: remembered } });
      return;
    }
    const record = this.store.resolve(call.request.container);
    const gone = new AbortController();
    const abandoned = new Promise<undefined>((resolve) => {
      call.on('cancelled', () => {
        gone.abort();
        resolve(undefined);
      });
    });
    const outcome = this.waiters.wait(record, condition, gone.signal);
    await writeMessage(call, { event: { $case: 'registered', value: {} } });
    const value = await Promise.race([outcome, abandoned]);
    if (value) await Promise.race([this.streams.delivered(record.id), abandoned]);
    if (value) await writeMessage(call, { event: { $case: 'result', value } });
  };

  prune: Service['prune'] = async ({ filters }) =>
    toJson(await this.prunes.take(() => this.pruner.prune(filters)));

  diskUsage: Service['diskUsage'] = async () =>
    toJson(await this.listing.list({ all: true, limit: 0, size: true, filters: undefined }));

  commit: Service['commit'] = async (request) => toJson({ Id: await this.committer.commit(request) });

  nodeInfo: Service['nodeInfo'] = async () => toJson(this.node.describe());

  connectNetwork: Service['connectNetwork'] = async ({ container, network, endpointConfig }) => {
    const settings = endpointConfig.length > 0 ? fromJson<EndpointSettings | null>(endpointConfig) : null;
    await this.networks.connect(container, network, settings ?? {});
    return {};
  };

  disconnectNetwork: Service['disconnectNetwork'] = async ({ container, network, force }) => {
    await this.networks.disconnect(container, network, force);
    return {};
  };

  changes: Service['changes'] = async ({ container }) => {
    const { id: containerId } = this.store.resolve(container);
    return this.peers.snapshots.changes({ containerId });
  };

  attach: Service['attach'] = (call) => this.attachments.attach(call);

  resize: Service['resize'] = (request) => this.attachments.resize(request);

  logs: Service['logs'] = (call) => this.logReader.logs(call);

  shortLogs: Service['shortLogs'] = (request) => this.logReader.shortLogs(request);

  top: Service['top'] = (request) => this.processes.top(request);

  stats: Service['stats'] = (call) => this.usage.stats(call);

  statArchive: Service['statArchive'] = (request) => this.archives.stat(request);

  getArchive: Service['getArchive'] = (call) => this.archives.get(call);

  putArchive: Service['putArchive'] = (call) => this.archives.put(call);

  export: Service['export'] = (call) => this.archives.export(call);
}
