import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Res } from '@nestjs/common';
import { checkFieldTypes, ENDPOINT_SETTINGS, type Struct } from '@gantry/shared/documents';
import { invalidArgument } from '@gantry/shared/errors';
import { fromJson } from '@gantry/shared/grpc';
import { ServiceClients } from '../peers/service-clients';
import type { Response } from '../routing/http-messages';
import type { JsonObjectBody } from '../routing/json-body';
import { ApiMinor, ApiQuery, JsonFields } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { normalizeEndpointSettings } from '../shaping/container-requests';
import { normalizeNetworkCreate, shapeNetworkInspect } from '../shaping/network-documents';
import { sendPruned } from '../streaming/prune-answer';

/** Until then a list said of each network what an inspection says. */
const INSPECTED_UNTIL = 28;

/** API: NetworkConnectRequest. */
const CONNECT_REQUEST: Struct = {
  struct: 'network.ConnectRequest',
  fields: { Container: 'string', EndpointConfig: ENDPOINT_SETTINGS },
};
/** API: NetworkDisconnectRequest. */
const DISCONNECT_REQUEST: Struct = {
  struct: 'network.DisconnectRequest',
  fields: { Container: 'string', Force: 'bool' },
};

/** API, tag Network. Connecting goes to container-service, which knows whether the container runs. */
@Controller()
export class NetworksController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  @Get('networks')
  async list(@ApiQuery() query: QueryParameters, @ApiMinor() minor: number): Promise<Buffer> {
    const { json } = await this.services.networks.list({ filters: query.filters() });
    return minor < INSPECTED_UNTIL ? this.inspected(json) : json;
  }

  @Post('networks/create')
  async create(@ApiMinor() minor: number, @JsonFields() body: JsonObjectBody): Promise<Buffer> {
    return (await this.services.networks.create({ config: normalizeNetworkCreate(body, minor) })).json;
  }

  @Get('networks/:id')
  async inspect(
    @Param('id') network: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
  ): Promise<Buffer> {
    const verbose = parseVerbose(query.text('verbose'));
    const request = { network, verbose, scope: query.text('scope') };
    return shapeNetworkInspect((await this.services.networks.inspect(request)).json, minor);
  }

  /** With the containers of each; one that is removed meanwhile is left out. */
  private async inspected(list: Buffer): Promise<Buffer> {
    const ids = fromJson<{ Id: string }[]>(list).map(({ Id }) => Id);
    const documents = await Promise.allSettled(
      ids.map((network) => this.services.networks.inspect({ network, verbose: false, scope: '' })),
    );
    const there = documents.filter((each) => each.status === 'fulfilled');
    return Buffer.from(
      `[${there.map(({ value }) => shapeNetworkInspect(value.json, 0).toString()).join(',')}]`,
    );
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
    @JsonFields() { document }: JsonObjectBody,
  ): Promise<void> {
    checkFieldTypes(document, CONNECT_REQUEST);
    const settings = normalizeEndpointSettings(document['EndpointConfig'], minor);
    await this.services.containers.connectNetwork({
      network,
      container: containerOf(document),
      endpointConfig: settings ? Buffer.from(JSON.stringify(settings)) : Buffer.alloc(0),
    });
  }

  @Post('networks/:id/disconnect')
  @HttpCode(200)
  async disconnect(@Param('id') network: string, @JsonFields() { document }: JsonObjectBody): Promise<void> {
    checkFieldTypes(document, DISCONNECT_REQUEST);
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
