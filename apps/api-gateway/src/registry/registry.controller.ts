import { Controller, Get, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { ServiceClients } from '../peers/service-clients';
import { headerOf, type Request } from '../routing/http-messages';
import type { JsonObjectBody } from '../routing/json-body';
import { ApiQuery, ImageName, RequiredJson } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';

/** API: SystemAuth, DistributionInspect, ImageSearch: questions to a registry. */
@Controller()
export class RegistryController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  @Post('auth')
  @HttpCode(200)
  async login(@RequiredJson() { bytes }: JsonObjectBody): Promise<Buffer> {
    return (await this.services.registries.login({ authConfig: bytes })).json;
  }

  @Get('distribution/*name/json')
  async distribution(@ImageName() reference: string, @Req() request: Request): Promise<Buffer> {
    const registryAuth = headerOf(request, 'x-registry-auth');
    return (await this.services.registries.distribution({ reference, registryAuth })).json;
  }

  @Get('images/search')
  async search(@ApiQuery() query: QueryParameters, @Req() request: Request): Promise<Buffer> {
    const limit = query.text('limit');
    if (!/^\d*$/.test(limit)) throw invalidArgument(`invalid limit: ${JSON.stringify(limit)}`);
    const { json } = await this.services.registries.search({
      term: query.text('term'),
      limit: Number(limit),
      filters: query.filters(),
      registryAuth: headerOf(request, 'x-registry-auth'),
    });
    return json;
  }
}
