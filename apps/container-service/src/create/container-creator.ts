import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { conflict, invalidArgument, isKind, messageOf } from '@gantry/shared/errors';
import { fromJson } from '@gantry/shared/grpc';
import { HostFactsProvider } from '../host-facts';
import { ContainerEvents } from '../lifecycle/container-events';
import { ContainerLifecycleEvents } from '../lifecycle/container-lifecycle-events';
import { ImageMounts } from '../lifecycle/image-mounts';
import { checkEndpoints, requestedEndpoints, type NetworkingConfig } from '../networks/endpoints';
import { linksById } from '../networks/legacy-links';
import type { ContainerConfig, HostConfig } from '../records/api-documents';
import { NEVER, type ContainerMount, type ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { RecordFiles } from '../records/record-files';
import { timestamp } from '../records/timestamps';
import { ServicePeers } from '../service-peers';
import { completeContainerConfig } from './container-config';
import { createDocument, knownHostConfig } from './create-document';
import { letUnmountsThrough } from './data-root-binds';
import { completeHostConfig } from './host-config';
import { withImageDefaults, type ImageConfigDocument } from './image-defaults';
import { checkUts } from './mode-checks';
import { inheritedMounts, planMounts } from './mount-plan';
import { parseVolumesFrom } from './bind-spec';
import type { PlannedMount } from './planned-mount';
import { checkPortNames } from './port-names';
import { platformWarning } from './platform-warning';
import { randomName } from './random-name';

const NAME = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Milliseconds. The next start of this service finds what is left, too. */
const UNDO_RETRY_MS = 3_000;

/** Body of POST /containers/create. */
interface CreateBody extends Partial<ContainerConfig> {
  MacAddress?: string;
  HostConfig?: Partial<HostConfig> | null;
  NetworkingConfig?: NetworkingConfig | null;
}

export interface CreateRequest {
  name: string;
  config: Buffer;
  platform: string;
}

/** `docker create`. */
@Injectable()
export class ContainerCreator {
  /** Ids that have resources in other services but no record yet. */
  private readonly inFlight = new Set<string>();

  constructor(
    private readonly store: ContainerStore,
    private readonly files: RecordFiles,
    private readonly peers: ServicePeers,
    private readonly facts: HostFactsProvider,
    private readonly events: ContainerEvents,
    private readonly lifecycle: ContainerLifecycleEvents,
    private readonly images: ImageMounts,
    @Inject(INSTANCE_CONFIG) private readonly instance: InstanceConfig,
  ) {}

  /** Also of the layer of an image that it mounts. */
  isCreating(id: string): boolean {
    return this.inFlight.has(id) || this.images.isAcquiring(id);
  }

  async create(request: CreateRequest): Promise<{ id: string; warnings: string[] }> {
    const body = createDocument(parseBody(request.config));
    checkPortNames(body.ExposedPorts, body.HostConfig?.PortBindings);
    const asked = knownHostConfig(body.HostConfig ?? {});
    const { hostConfig, warnings } = completeHostConfig(asked, this.facts.get());
    const own = completeContainerConfig(body);
    checkUts(own, hostConfig);
    const endpoints = requestedEndpoints(
      { ...own, MacAddress: body.MacAddress },
      hostConfig,
      body.NetworkingConfig,
    );
    this.resolveReferences(hostConfig, request.name);
    await checkEndpoints(this.peers.sandboxes, endpoints);
    const id = randomBytes(32).toString('hex');
    const name = this.claimName(request.name, id);
    this.inFlight.add(id);
    try {
      const image = await this.peers.snapshots.prepare({
        containerId: id,
        image: own.Image,
        platform: request.platform,
        bare: false,
        storageOptions: hostConfig.StorageOpt ?? {},
      });
      const document = fromJson<ImageConfigDocument>(image.imageConfig);
      const mismatch = request.platform === '' ? platformWarning(document) : undefined;
      if (mismatch) warnings.push(mismatch);
      const config = withImageDefaults(own, document.config ?? {});
      config.Hostname ||= this.defaultHostname(id, hostConfig);
      const [path, ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
      if (path === undefined) throw invalidArgument('no command specified');
      const mounts = await this.acquireMounts(id, config, hostConfig);
      const record: ContainerRecord = {
        id,
        name,
        created: timestamp(),
        platform: document.os ?? 'linux',
        imageId: image.imageId,
        imageManifestDescriptor: image.manifestDescriptor.length
          ? fromJson<object>(image.manifestDescriptor)
          : undefined,
        path,
        args,
        config,
        hostConfig,
        endpoints,
        networkSettings: { Ports: {}, Networks: endpoints },
        mounts,
        state: {
          Status: 'created',
          Running: false,
          Paused: false,
          Restarting: false,
          OOMKilled: false,
          Dead: false,
          Pid: 0,
          ExitCode: 0,
          Error: '',
          StartedAt: NEVER,
          FinishedAt: NEVER,
        },
        restartCount: 0,
        stoppedByUser: false,
        rootfs: image.rootfs,
      };
      this.files.makeDirectory(id);
      await this.files.write(record);
      this.store.add(record);
      await this.images.settled(id, true);
      this.events.publish(record, 'create');
      this.lifecycle.emit('created', record);
      return { id, warnings };
    } catch (error) {
      this.store.releaseName(name, id);
      this.undo(id);
      throw error;
    } finally {
      this.inFlight.delete(id);
    }
  }

  /** Takes the name given, or a free random one. @throws Conflict, InvalidArgument */
  claimName(wanted: string, id: string): string {
    if (wanted === '') {
      for (let attempt = 0; ; attempt++) {
        const name = randomName(attempt);
        if (this.store.reserveName(name, id) === undefined) return name;
      }
    }
    if (!NAME.test(wanted)) {
      throw invalidArgument(`Invalid container name (${wanted}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
    }
    const name = wanted.replace(/^\//, '');
    const owner = this.store.reserveName(name, id);
    if (owner !== undefined) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
    return name;
  }

  /**
   * Containers that this one wants to share something with have to exist; what they are called later does not matter. Not
   * NotFound: clients pull the image then.
   */
  private resolveReferences(hostConfig: HostConfig, name: string): void {
    if (name !== '' && hostConfig.NetworkMode === `container:${name}`) {
      throw invalidArgument('cannot join own network namespace');
    }
    for (const field of ['NetworkMode', 'IpcMode', 'PidMode'] as const) {
      const mode = hostConfig[field];
      if (mode.startsWith('container:')) {
        hostConfig[field] = `container:${this.existing(mode.slice('container:'.length)).id}`;
      }
    }
    for (const reference of hostConfig.VolumesFrom ?? [])
      this.existing(parseVolumesFrom(reference).container);
    hostConfig.Links = linksById(hostConfig, this.store);
  }

  private existing(reference: string): ContainerRecord {
    try {
      return this.store.resolve(reference);
    } catch (error) {
      throw invalidArgument(messageOf(error));
    }
  }

  private defaultHostname(id: string, hostConfig: HostConfig): string {
    if (hostConfig.NetworkMode === 'host' || hostConfig.UTSMode === 'host') return this.facts.hostname();
    if (hostConfig.NetworkMode.startsWith('container:')) {
      return this.store.resolve(hostConfig.NetworkMode.slice('container:'.length)).config.Hostname;
    }
    return id.slice(0, 12);
  }

  private async acquireMounts(
    id: string,
    config: ContainerConfig,
    hostConfig: HostConfig,
  ): Promise<ContainerMount[]> {
    const inherited = this.mountsFrom(hostConfig.VolumesFrom ?? []);
    const plan = letUnmountsThrough(planMounts(config, hostConfig, inherited), this.instance.dataRoot);
    await this.images.acquire(id, plan);
    const volumes = plan.filter((mount) => mount.Type === 'volume');
    if (volumes.length > 0) {
      const acquired = await this.peers.volumes.acquire({
        containerId: id,
        volumes: volumes.map((volume) => ({
          name: volume.Name ?? '',
          driver: volume.Driver ?? '',
          driverOptions: volume.driverOptions ?? {},
          labels: volume.labels ?? {},
        })),
      });
      volumes.forEach((volume, index) => {
        const found = acquired.volumes[index];
        if (!found) return;
        volume.Name = found.name;
        volume.Driver = found.driver;
        volume.Source = found.mountpoint;
        volume.anonymous ||= found.anonymous;
      });
      await this.copyUp(id, volumes);
    }
    return plan.map(({ driverOptions: _options, labels: _labels, ...mount }) => mount);
  }

  /** What the image has where a volume goes is copied into it, if it is empty. */
  private async copyUp(id: string, volumes: PlannedMount[]): Promise<void> {
    const wanted = volumes.filter((volume) => volume.copyUp);
    if (wanted.length === 0) return;
    const self = { containerId: id };
    const [{ rootfs }] = await Promise.all([
      // Nobody else has a container that is being made: for this moment owners are as they are on disk.
      this.peers.snapshots.mount({ ...self, remapped: false }),
      this.peers.volumes.mount({ ...self, uses: [] }),
    ]);
    try {
      for (const { Name: name = '', Destination: path, subpath = '' } of wanted) {
        await this.peers.volumes.populate({ ...self, name, rootfs, path, subpath });
      }
    } finally {
      await Promise.all([this.peers.snapshots.unmount(self), this.peers.volumes.unmount(self)]);
    }
  }

  private mountsFrom(references: string[]): PlannedMount[] {
    return references.flatMap((reference) => {
      const { container, mode } = parseVolumesFrom(reference);
      return inheritedMounts(this.store.resolve(container).mounts, mode);
    });
  }

  /** Nobody waits for it. What does not work is tried again: a volume's plugin may be away for a while. */
  private undo(id: string): void {
    const self = { containerId: id };
    void untilDone(async () => {
      this.files.markRemoving(id);
      await this.files.removeMarked(id);
    });
    void untilDone(() => this.peers.snapshots.remove(self));
    void untilDone(() => this.images.settled(id, false));
    void untilDone(() => this.peers.volumes.release({ ...self, removeAnonymous: true }));
  }
}

async function untilDone(step: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      return void (await step());
    } catch {
      await new Promise((resolve) => setTimeout(resolve, UNDO_RETRY_MS).unref());
    }
  }
}

function parseBody(bytes: Buffer): CreateBody {
  try {
    const body = fromJson<CreateBody | null>(bytes);
    if (body && typeof body === 'object') return body;
  } catch (error) {
    if (!isKind(error, 'InvalidArgument')) throw invalidArgument(`invalid JSON: ${messageOf(error)}`);
  }
  throw invalidArgument('config cannot be empty in order to create a container');
}
