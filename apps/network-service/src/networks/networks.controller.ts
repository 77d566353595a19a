import { Injectable } from '@nestjs/common';
import { type Implementation, toJson } from '@gantry/shared/grpc';
import { filterTerms } from '@gantry/shared/filters';
import { PruneTurn } from '@gantry/shared/prunes';
import type {
  CreateNetworkRequest,
  InspectNetworkRequest,
  ListNetworksRequest,
  NetworkReference,
  NetworkServiceServer,
  PruneNetworksRequest,
} from '@gantry/proto/network';
import { configuredAddressPools } from '../config';
import { parseAddressPools } from '../ipam/address-pools';
import { formatCidr } from '../ipam/cidr';
import { parseCreateRequest } from './create-request';
import { NetworksService } from './networks.service';

/** gRPC: NetworkService. */
@Injectable()
export class NetworksController implements Implementation<NetworkServiceServer> {
  private readonly prunes = new PruneTurn();

  constructor(private readonly networks: NetworksService) {}

  async create(request: CreateNetworkRequest) {
    const id = await this.networks.create(parseCreateRequest(request.config));
    return toJson({ Id: id, Warning: '' });
  }

  async list(request: ListNetworksRequest) {
    return toJson(this.networks.list(filterTerms(request.filters)));
  }

  async inspect(request: InspectNetworkRequest) {
    return { json: Buffer.from(this.networks.inspect(request.network, request.scope)) };
  }

  async remove(request: NetworkReference) {
    await this.networks.remove(request.network);
    return {};
  }

  /** API: SystemInfo.DefaultAddressPools, where an operator has set some. */
  async nodeInfo() {
    const pools = parseAddressPools(configuredAddressPools());
    const shown = pools.map(({ range, size }) => ({ Base: formatCidr(range), Size: size }));
    return toJson(shown.length > 0 ? { DefaultAddressPools: shown } : {});
  }

  async prune(request: PruneNetworksRequest) {
    const terms = filterTerms(request.filters);
    return toJson({ NetworksDeleted: await this.prunes.take(() => this.networks.prune(terms)) });
  }
}
