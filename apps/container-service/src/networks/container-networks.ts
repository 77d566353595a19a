import { Injectable } from '@nestjs/common';
import { forbidden, internal, invalidArgument, isKind } from '@gantry/shared/errors';
import { fromJson, toJson } from '@gantry/shared/grpc';
import type { AttachSandboxResponse, ResolvedNetwork } from '@gantry/proto/network';
import { ContainerFiles } from '../lifecycle/container-files';
import { ContainerLocks } from '../lifecycle/container-locks';
import type { EndpointSettings, NetworkSettings } from '../records/api-documents';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { ServicePeers } from '../service-peers';
import { linksOf } from './legacy-links';

/** The networks of containers: their sandbox while they run, and connect and disconnect at any time. */
@Injectable()
export class ContainerNetworks {
  constructor(
    private readonly peers: ServicePeers,
    private readonly store: ContainerStore,
    private readonly locks: ContainerLocks,
    private readonly files: ContainerFiles,
  ) {}

  /** undefined where the container is in the network of another. Keeps what the network service answers. */
  async attach(record: ContainerRecord): Promise<AttachSandboxResponse | undefined> {
    const { config, hostConfig, endpoints } = record;
    const mode = hostConfig.NetworkMode;
    if (mode.startsWith('container:')) return undefined;
    const isNone = mode === 'none' && Object.keys(endpoints).every((name) => name === 'none');
    const connected = mode !== 'host' && !isNone && !config.NetworkDisabled;
    const answer = await this.peers.sandboxes.attach({
      containerId: record.id,
      containerName: record.name,
      hostname: config.Hostname,
      domainname: config.Domainname,
      endpoints: Object.entries(connected ? endpoints : {}).map(([network, settings]) => ({
        network,
        settings: toJson(settings).json,
      })),
      portBindings: toJson(hostConfig.PortBindings ?? {}).json,
      exposedPorts: toJson(config.ExposedPorts ?? {}).json,
      publishAllPorts: hostConfig.PublishAllPorts,
      mode: connected ? 'bridge' : mode === 'host' ? mode : 'none',
      dns: hostConfig.Dns ?? [],
      dnsSearch: hostConfig.DnsSearch ?? [],
      dnsOptions: hostConfig.DnsOptions ?? [],
      extraHosts: hostConfig.ExtraHosts ?? [],
      links: linksOf(record, this.store).map(({ target, alias }) => ({
        containerId: target.id,
        containerName: target.name,
        alias,
      })),
      owner: '',
    });
    record.networkSettings = fromJson<NetworkSettings>(answer.networkSettings);
    return answer;
  }

  /** Not having a sandbox is no error. */
  async release(record: ContainerRecord): Promise<void> {
    const mode = record.hostConfig.NetworkMode;
    if (mode === 'host' || mode.startsWith('container:')) return;
    await this.peers.sandboxes.release({ containerId: record.id });
  }

  async connect(reference: string, network: string, settings: EndpointSettings): Promise<ContainerRecord> {
    const found = this.store.resolve(reference);
    return this.locks.hold(found.id, async () => {
      const record = this.store.resolve(found.id);
      if (record.removal) throw markedForRemoval(record);
      const resolved = await this.resolve(network, settings);
      const known = endpointKey(record, network, resolved);
      checkConnectable(record, resolved, known);
      if (record.state.Running && !record.state.Restarting) {
        if (known !== undefined) {
          throw forbidden(`endpoint with name ${record.name} already exists in network ${resolved.name}`);
        }
        const endpoint = { network, settings: toJson(settings).json };
        this.take(record, await this.peers.sandboxes.connectEndpoint({ containerId: record.id, endpoint }));
      }
      // Of a container that does not run the settings are only written down, and may be written anew.
      await this.write(record, { ...without(record.endpoints, known), [resolved.name]: settings });
      return record;
    });
  }

  /** @param force also from a network that is gone, and an endpoint whose container is gone */
  async disconnect(reference: string, network: string, force: boolean): Promise<void> {
    const id = this.idOf(reference, force);
    if (id === undefined) {
      await this.peers.sandboxes.disconnectEndpoint({ containerId: reference, network, force });
      return;
    }
    await this.locks.hold(id, async () => {
      const record = this.store.resolve(id);
      if (record.removal) throw markedForRemoval(record);
      const isRunning = record.state.Running && !record.state.Restarting;
      const resolved = await this.resolveOrForced(network, force || !isRunning);
      if (record.hostConfig.NetworkMode === 'host' && resolved.name === 'host') {
        throw invalidArgument(
          'cannot disconnect container from host network - container was created in host network mode',
        );
      }
      const key = endpointKey(record, network, resolved);
      if (key === undefined) {
        const which = isRunning && resolved.driver !== '' ? 'network' : 'the network';
        throw internal(`container ${record.id} is not connected to ${which} ${resolved.name}`);
      }
      if (isRunning) {
        const request = { containerId: record.id, network, force };
        this.take(record, await this.peers.sandboxes.disconnectEndpoint(request));
      }
      await this.write(record, without(record.endpoints, key));
    });
  }

  /** A disk without room cannot undo what the network of a running container is by now. */
  private async write(record: ContainerRecord, endpoints: ContainerRecord['endpoints']): Promise<void> {
    const before = record.endpoints;
    record.endpoints = endpoints;
    if (record.state.Running) return void (await this.store.settle(record));
    record.networkSettings = idleSettings(record);
    try {
      await this.store.persist(record);
    } catch (error) {
      record.endpoints = before;
      record.networkSettings = idleSettings(record);
      throw error;
    }
  }

  /** What has become of the network of a running container. */
  private take(record: ContainerRecord, answer: AttachSandboxResponse): void {
    const before = addressesOf(record.networkSettings);
    record.networkSettings = fromJson<NetworkSettings>(answer.networkSettings);
    const after = addressesOf(record.networkSettings);
    const gone = before.filter((address) => !after.includes(address));
    this.files.updateNetworkFiles(record, answer, gone);
  }

  private idOf(reference: string, force: boolean): string | undefined {
    try {
      return this.store.resolve(reference).id;
    } catch (error) {
      if (force) return undefined;
      throw error;
    }
  }

  private resolve(network: string, settings: EndpointSettings = {}): Promise<ResolvedNetwork> {
    return this.peers.sandboxes.checkEndpoint({ endpoint: { network, settings: toJson(settings).json } });
  }

  /** A network that is gone has no driver. */
  private async resolveOrForced(network: string, force: boolean): Promise<ResolvedNetwork> {
    try {
      return await this.resolve(network);
    } catch (error) {
      if (force && isKind(error, 'NotFound')) return { id: network, name: network, driver: '' };
      throw error;
    }
  }
}

function without<T>(record: Record<string, T>, key: string | undefined): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([each]) => each !== key));
}

const markedForRemoval = ({ id }: ContainerRecord): Error =>
  internal(`Container ${id} is marked for removal and cannot be connected or disconnected to the network`);

/** @throws InvalidArgument for networks that nothing else goes together with */
function checkConnectable(
  record: ContainerRecord,
  resolved: ResolvedNetwork,
  known: string | undefined,
): void {
  const mode = record.hostConfig.NetworkMode;
  if (mode !== 'host' && resolved.driver === 'host') {
    throw invalidArgument(
      'cannot connect container to host network - container must be created in host network mode',
    );
  }
  if (mode === 'host' || mode.startsWith('container:')) {
    throw invalidArgument(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
  const others = Object.keys(record.endpoints).filter((name) => name !== known);
  if (others.length > 0 && (resolved.driver === 'null' || others.includes('none'))) {
    throw invalidArgument(
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
}

/** Under which key a container has a network: the user may have named it by name, id or prefix when it was made. */
function endpointKey(
  record: ContainerRecord,
  given: string,
  resolved: { id: string; name: string },
): string | undefined {
  const keys = Object.keys(record.endpoints);
  return (
    keys.find((key) => key === resolved.name || key === resolved.id || key === given) ??
    keys.find((key) => resolved.id.startsWith(key))
  );
}

function addressesOf({ Networks }: NetworkSettings): string[] {
  return Object.values(Networks ?? {}).flatMap(({ IPAddress, GlobalIPv6Address }) =>
    [IPAddress ?? '', GlobalIPv6Address ?? ''].filter((address) => address !== ''),
  );
}

/** What inspect shows of the networks of a container that does not run. */
export function idleSettings(record: ContainerRecord): NetworkSettings {
  const known = record.networkSettings.Networks ?? {};
  const networks = Object.fromEntries(
    Object.entries(record.endpoints).map(([name, settings]) => [
      name,
      {
        ...settings,
        NetworkID: known[name]?.NetworkID ?? '',
        EndpointID: '',
        Gateway: '',
        IPAddress: '',
        MacAddress: settings.MacAddress ?? '',
        IPPrefixLen: 0,
        IPv6Gateway: '',
        GlobalIPv6Address: '',
        GlobalIPv6PrefixLen: 0,
        DNSNames: known[name]?.DNSNames ?? null,
      },
    ]),
  );
  return { SandboxID: '', SandboxKey: '', Ports: {}, Networks: networks };
}
