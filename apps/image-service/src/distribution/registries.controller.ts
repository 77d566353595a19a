import { Inject, Injectable } from '@nestjs/common';
import type { RegistryServiceServer } from '@gantry/proto/image';
import { filterTerms } from '@gantry/shared/filters';
import { fromJson, type Implementation, toJson } from '@gantry/shared/grpc';
import { parseRegistryAuth, registryCredentials } from '../registry/credentials';
import { REGISTRIES, type Registries } from '../registry/registry';
import { InspectDistribution } from './inspect-distribution';
import { SearchImages } from './search-images';

type Service = Implementation<RegistryServiceServer>;

/** gRPC RegistryService. */
@Injectable()
export class RegistriesController implements Service {
  constructor(
    @Inject(REGISTRIES) private readonly registries: Registries,
    @Inject(InspectDistribution) private readonly inspection: InspectDistribution,
    @Inject(SearchImages) private readonly searching: SearchImages,
  ) {}

  login: Service['login'] = async ({ authConfig }) =>
    toJson(await this.registries.login(registryCredentials(fromJson(authConfig)) ?? {}));

  distribution: Service['distribution'] = async ({ reference, registryAuth }) =>
    toJson(await this.inspection.inspect(reference, parseRegistryAuth(registryAuth)));

  search: Service['search'] = async ({ term, limit, filters, registryAuth }) =>
    toJson(await this.searching.search(term, limit, filterTerms(filters), parseRegistryAuth(registryAuth)));
}
