import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import { invalidArgument } from '@gantry/shared/errors';
import { ServiceClients } from '../peers/service-clients';
import type { JsonObjectBody } from '../routing/json-body';
import { ApiMinor, ApiQuery, RequiredJson } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { normalizeEndpointSettings } from '../shaping/container-requests';
import { sendPruned } from '../streaming/prune-answer';

/** API, tag Network. Connecting goes to container-service, which knows whether the container runs. */
@Controller()
export class NetworksController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  @Get('networks')
  async list(@ApiQuery() query: QueryParameters): Promise<Buffer> {
    return (await this.services.networks.list({ filters: query.filters() })).json;
  }

  @Post('networks/create')
  async create(@RequiredJson() body: JsonObjectBody): Promise<Buffer> {
    return (await this.services.networks.create({ config: body.bytes })).json;
  }

  @Get('networks/:id')
  async inspect(@Param('id') network: string, @ApiQuery() query: QueryParameters): Promise<Buffer> {
    const verbose = parseVerbose(query.text('verbose'));
    const request = { network, verbose, scope: query.text('scope') };
    return (await this.services.networks.inspect(request)).json;
  }

  @Delete('networks/:id')
  @HttpCode(204)
  async remove(@Param('id') network: string): Promise<void> {
    await this.services.networks.remove({ network });
  }

  @Post('networks/:id/connect')
  @HttpCode(200)
  async connect(
    @Param('id') network: string,
    @ApiMinor() minor: number,
    @RequiredJson() { document }: JsonObjectBody,
  ): Promise<void> {
    const settings = normalizeEndpointSettings(document['EndpointConfig'], minor);
    await this.services.containers.connectNetwork({
      network,
      container: containerOf(document),
      endpointConfig: settings ? Buffer.from(JSON.stringify(settings)) : Buffer.alloc(0),
    });
  }

  @Post('networks/:id/disconnect')
  @HttpCode(200)
  async disconnect(
    @Param('id') network: string,
    @RequiredJson() { document }: JsonObjectBody,
  ): Promise<void> {
    await this.services.containers.disconnectNetwork({
      network,
      container: containerOf(document),
      force: document['Force'] === true,
    });
  }

  @Post('networks/prune')
  @HttpCode(200)
  async prune(
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Res() response: Response,
  ): Promise<void> {
    const request = { filters: query.filters() };
    await sendPruned(response, { query, minor }, this.services.networks.prune(request));
  }
}

function containerOf(document: Record<string, unknown>): string {
  const container = document['Container'];
  if (typeof container !== 'string' || container === '') {
    throw invalidArgument('invalid name or ID supplied: ""');
  }
  return container;
}

/** As Go's strconv.ParseBool. @throws InvalidArgument in dockerd's words */
function parseVerbose(text: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(|0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw invalidArgument(
    `invalid value for verbose: ${text}: strconv.ParseBool: parsing "${text}": invalid syntax`,
  );
}
