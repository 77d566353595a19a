import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Res } from '@nestjs/common';
import { ServiceClients } from '../peers/service-clients';
import type { Response } from '../routing/http-messages';
import type { JsonObjectBody } from '../routing/json-body';
import { ApiMinor, ApiQuery, OptionalJson } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { normalizeVolumePrune } from '../shaping/prune-filters';
import { sendPruned } from '../streaming/prune-answer';
import { KeptVolumes } from './kept-volumes';

/** API, tag Volume. */
@Controller()
export class VolumesController {
  constructor(
    @Inject(ServiceClients) private readonly services: ServiceClients,
    @Inject(KeptVolumes) private readonly kept: KeptVolumes,
  ) {}

  @Get('volumes')
  async list(@ApiQuery() query: QueryParameters): Promise<Buffer> {
    return (await this.services.volumes.list({ filters: query.filters() })).json;
  }

  @Post('volumes/create')
  async create(@OptionalJson() body: JsonObjectBody | undefined): Promise<Buffer> {
    return this.kept.keep(await this.services.volumes.create({ config: body?.bytes ?? Buffer.from('{}') }));
  }

  @Get('volumes/:name')
  async inspect(@Param('name') name: string): Promise<Buffer> {
    return this.kept.find(name) ?? this.kept.keep(await this.services.volumes.inspect({ name }));
  }

  @Delete('volumes/:name')
  @HttpCode(204)
  async remove(@Param('name') name: string, @ApiQuery() query: QueryParameters): Promise<void> {
    await this.services.volumes.remove({ name, force: query.flag('force') });
  }

  @Post('volumes/prune')
  @HttpCode(200)
  async prune(
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Res() response: Response,
  ): Promise<void> {
    const filters = normalizeVolumePrune(query.filters(), minor);
    await sendPruned(response, { query, minor }, this.services.volumes.prune({ filters }));
  }
}
