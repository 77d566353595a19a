import { Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import type { Implementation } from '@gantry/shared/grpc';
import type {
  AttachSandboxRequest,
  AttachSandboxResponse,
  CheckEndpointRequest,
  ConnectEndpointRequest,
  DisconnectEndpointRequest,
  EndpointRequest,
  RenameSandboxRequest,
  SandboxReference,
  SandboxServiceServer,
} from '@gantry/proto/network';
import { isDefaultBridge } from '../records/network-record';
import { NetworkRegistry } from '../records/network-registry';
import type { SandboxRecord } from '../records/sandbox-record';
import { SandboxRegistry } from '../records/sandbox-registry';
import { HostResolver } from '../resolv/host-resolver';
import { hostsEntries } from '../resolv/hosts-entries';
import { directResolvConf, embeddedResolvConf } from '../resolv/resolv-conf';
import { networkSettings } from './network-settings';
import { SandboxesService } from './sandboxes.service';

/** gRPC: SandboxService. */
@Injectable()
export class SandboxesController implements Implementation<SandboxServiceServer> {
  constructor(
    private readonly service: SandboxesService,
    private readonly networks: NetworkRegistry,
    private readonly registry: SandboxRegistry,
    private readonly hostResolver: HostResolver,
  ) {}

  async attach(request: AttachSandboxRequest) {
    if (!/^[0-9a-f]{64}$/.test(request.containerId)) throw invalidArgument('not a container id');
    if (request.mode === 'host') {
      return { ...this.response(this.service.onHost(request), ''), resolvConf: '' };
    }
    return this.response(await this.service.attach(request));
  }

  async release(request: SandboxReference) {
    await this.service.release(request.containerId);
    return {};
  }

  async connectEndpoint(request: ConnectEndpointRequest) {
    return this.response(await this.service.connect(request.containerId, required(request.endpoint)));
  }

  async disconnectEndpoint({ containerId, network, force }: DisconnectEndpointRequest) {
    const isLost = force && !this.registry.get(containerId);
    return this.response(
      isLost
        ? await this.service.disconnectLost(containerId, network)
        : await this.service.disconnect(containerId, network),
    );
  }

  async checkEndpoint(request: CheckEndpointRequest) {
    const { id, name, driver } = this.service.check(required(request.endpoint));
    return { id, name, driver };
  }

  async rename(request: RenameSandboxRequest) {
    await this.service.rename(request.containerId, request.name);
    return {};
  }

  async list() {
    const sandboxes = this.registry.all().map(({ containerId, containerName, owner = '' }) => ({
      containerId,
      netnsPath: this.registry.namespaceOf(containerId),
      containerName,
      owner,
    }));
    return { sandboxes };
  }

  private response(
    sandbox: SandboxRecord,
    netnsPath = this.registry.namespaceOf(sandbox.containerId),
  ): AttachSandboxResponse {
    const settings = networkSettings(sandbox, netnsPath, (id) => this.networks.get(id));
    const host = this.hostResolver.settings();
    const hasIpv6 = sandbox.endpoints.some(({ ipv6 }) => ipv6 !== undefined);
    return {
      netnsPath,
      networkSettings: Buffer.from(JSON.stringify(settings)),
      resolvConf:
        sandbox.dnsPort === undefined
          ? directResolvConf(host, sandbox.resolver, hasIpv6)
          : embeddedResolvConf(host, sandbox.resolver),
      hosts: hostsEntries(
        sandbox,
        this.networks.defaultBridge.ipam.config.map(({ gateway }) => gateway),
        (containerId) => this.linked(containerId),
      ),
    };
  }

  private linked(containerId: string): { address: string; hostname: string } | undefined {
    const sandbox = this.registry.get(containerId);
    const endpoint = sandbox?.endpoints.find(({ networkId }) => {
      const network = this.networks.get(networkId);
      return network !== undefined && isDefaultBridge(network);
    });
    return sandbox && endpoint && { address: endpoint.address, hostname: sandbox.hostname };
  }
}

function required(endpoint: EndpointRequest | undefined): EndpointRequest {
  if (!endpoint) throw invalidArgument('no endpoint was given');
  return endpoint;
}
