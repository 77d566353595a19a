import { Inject, Injectable } from '@nestjs/common';
import { conflict, EngineError, internal, invalidArgument, messageOf } from '@gantry/shared/errors';
import { fromJson } from '@gantry/shared/grpc';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { ContainerCreator } from '../create/container-creator';
import { updateDocument } from '../create/create-document';
import { checkResources } from '../create/resource-checks';
import { askedResources, withResources } from '../create/resource-update';
import { checkRestartPolicy } from '../create/restart-policy-check';
import { HostFactsProvider } from '../host-facts';
import type { Resources, RestartPolicy } from '../records/api-documents';
import { ContainerStore } from '../records/container-store';
import { ServicePeers } from '../service-peers';
import { LiveLimits } from '../spec/live-limits';
import { ContainerEvents } from './container-events';
import { ContainerLocks } from './container-locks';

/** `docker update` and `docker rename`. */
@Injectable()
export class ContainerUpdater {
  private readonly limits: LiveLimits;

  constructor(
    @Inject(LINUX) linux: Linux,
    private readonly store: ContainerStore,
    private readonly locks: ContainerLocks,
    private readonly peers: ServicePeers,
    private readonly creator: ContainerCreator,
    private readonly facts: HostFactsProvider,
    private readonly events: ContainerEvents,
  ) {
    this.limits = new LiveLimits(linux.cgroups);
  }

  /** Body: API Resources with RestartPolicy; what is 0, empty or absent stays. Returns warnings. */
  async update(reference: string, body: Buffer): Promise<string[]> {
    const { id } = this.store.resolve(reference);
    const { RestartPolicy, ...given } = updateDocument(parseBody(body));
    return this.locks.hold(id, async () => {
      const record = this.store.resolve(id);
      if (record.removal)
        throw conflict(
          `Cannot update container ${id}: container is marked for removal and cannot be "update"`,
        );
      const warnings: string[] = [];
      const asked = askedResources(given);
      checkResources(asked, this.facts.get(), warnings, true);
      const hostConfig = withResources(record, asked, given.PidsLimit);
      if (RestartPolicy?.Name) {
        hostConfig.RestartPolicy = {
          Name: RestartPolicy.Name,
          MaximumRetryCount: RestartPolicy.MaximumRetryCount ?? 0,
        };
        if (record.hostConfig.AutoRemove && RestartPolicy.Name !== 'no') {
          throw conflict(
            `Cannot update container ${id}: Restart policy cannot be updated because AutoRemove is enabled for the container`,
          );
        }
        checkRestartPolicy(hostConfig);
      }
      const before = record.hostConfig;
      try {
        record.hostConfig = hostConfig;
        await this.store.persist(record);
        if (record.state.Running && record.process) {
          this.limits.apply(record.process.cgroup, before, hostConfig);
        }
      } catch (error) {
        record.hostConfig = before;
        await this.store.settle(record);
        throw internal(`Cannot update container ${id}: ${messageOf(error)}`, error);
      }
      this.events.publish(record, 'update');
      return warnings;
    });
  }

  async rename(reference: string, wanted: string): Promise<void> {
    const { id } = this.store.resolve(reference);
    if (wanted === '') throw invalidArgument('Neither old nor new names may be empty');
    await this.locks.hold(id, async () => {
      const record = this.store.resolve(id);
      const before = record.name;
      if (wanted.replace(/^\//, '') === before) {
        throw invalidArgument('Renaming a container with the same name as its current name');
      }
      const name = this.claim(wanted, id);
      record.name = name;
      try {
        await this.store.persist(record);
        if (record.state.Running && record.networkSettings.SandboxID) {
          await this.peers.sandboxes.rename({ containerId: id, name });
        }
      } catch (error) {
        record.name = before;
        this.store.releaseName(name, id);
        await this.store.settle(record);
        throw error;
      }
      this.store.releaseName(before, id);
      this.events.publish(record, 'rename', { oldName: `/${before}` });
    });
  }

  private claim(wanted: string, id: string): string {
    try {
      return this.creator.claimName(wanted.replace(/^\/?/, '/'), id);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      throw new EngineError(error.kind, `Error when allocating new name: ${error.message}`, { cause: error });
    }
  }
}

function parseBody(body: Buffer): Partial<Resources> & { RestartPolicy?: Partial<RestartPolicy> } {
  try {
    return fromJson(body);
  } catch (error) {
    throw invalidArgument(`invalid JSON: ${messageOf(error)}`);
  }
}
