import { Controller, Delete, Get, Headers, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { ServiceClients } from '../peers/service-clients';
import type { Request, Response } from '../routing/http-messages';
import { ApiMinor, ApiQuery, JsonFields, OptionalJson, RequiredJson } from '../routing/parameters';
import type { JsonObjectBody } from '../routing/json-body';
import type { QueryParameters } from '../routing/query-parameters';
import { withLogDriverOf } from '../shaping/client-needs';
import { shapeContainerInspect, shapeContainerList } from '../shaping/container-documents';
import { normalizeContainerCreate, normalizeResources } from '../shaping/container-requests';
import { sendPruned } from '../streaming/prune-answer';

/** What some clients send for nothing (`{}`, `null`) is no longer. Bytes. */
const EMPTY_DOCUMENT = 7;

const EMPTY_LIST = Buffer.from('[]');
const NOTHING = Buffer.from('null');

/** API, tag Container: everything that is one question and one answer. */
@Controller()
export class ContainersController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  @Get('containers/json')
  async list(@ApiQuery() query: QueryParameters, @ApiMinor() minor: number): Promise<Buffer> {
    const { json } = await this.services.containers.list({
      all: query.flag('all'),
      limit: Math.max(0, query.integer('limit') ?? 0),
      size: query.flag('size'),
      filters: query.filters(),
    });
    return shapeContainerList(json, minor);
  }

  @Post('containers/create')
  async create(
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Headers('user-agent') userAgent: string | undefined,
    @RequiredJson() body: JsonObjectBody,
  ): Promise<object> {
    const { config, warnings } = normalizeContainerCreate(withLogDriverOf(userAgent, body), minor);
    const created = await this.services.containers.create({
      name: query.text('name'),
      config,
      platform: minor < 41 ? '' : query.text('platform'),
    });
    return { Id: created.id, Warnings: [...warnings, ...created.warnings] };
  }

  @Get('containers/:id/json')
  async inspect(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
  ): Promise<Buffer> {
    const { json } = await this.services.containers.inspect({ container, size: query.flag('size') });
    return shapeContainerInspect(json, minor);
  }

  @Post('containers/:id/start')
  @HttpCode(204)
  async start(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @Req() { headers }: Request,
  ): Promise<void> {
    if (
      Number(headers['content-length'] ?? 0) > EMPTY_DOCUMENT ||
      headers['transfer-encoding'] !== undefined
    ) {
      throw invalidArgument(
        'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
      );
    }
    refuseCheckpoint(query.text('checkpoint'));
    await this.services.containers.start({ container, detachKeys: query.text('detachKeys') });
  }

  @Post('containers/:id/stop')
  @HttpCode(204)
  async stop(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
  ): Promise<void> {
    await this.services.containers.stop(stopRequest(container, query, minor));
  }

  @Post('containers/:id/restart')
  @HttpCode(204)
  async restart(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
  ): Promise<void> {
    await this.services.containers.restart(stopRequest(container, query, minor));
  }

  @Post('containers/:id/kill')
  @HttpCode(204)
  async kill(@Param('id') container: string, @ApiQuery() query: QueryParameters): Promise<void> {
    await this.services.containers.kill({ container, signal: query.text('signal') });
  }

  @Post('containers/:id/pause')
  @HttpCode(204)
  async pause(@Param('id') container: string): Promise<void> {
    await this.services.containers.pause({ container });
  }

  @Post('containers/:id/unpause')
  @HttpCode(204)
  async unpause(@Param('id') container: string): Promise<void> {
    await this.services.containers.unpause({ container });
  }

  @Post('containers/:id/rename')
  @HttpCode(204)
  async rename(@Param('id') container: string, @ApiQuery() query: QueryParameters): Promise<void> {
    await this.services.containers.rename({ container, name: query.text('name') });
  }

  @Post('containers/:id/update')
  @HttpCode(200)
  async update(
    @Param('id') container: string,
    @ApiMinor() minor: number,
    @JsonFields() body: JsonObjectBody,
  ): Promise<Buffer> {
    const config = normalizeResources(body, minor);
    return (await this.services.containers.update({ container, config })).json;
  }

  @Post('containers/:id/resize')
  @HttpCode(200)
  async resize(@Param('id') container: string, @ApiQuery() query: QueryParameters): Promise<void> {
    await this.services.containers.resize({ target: container, size: query.terminalSize() });
  }

  @Get('containers/:id/top')
  async top(@Param('id') container: string, @ApiQuery() query: QueryParameters): Promise<Buffer> {
    return (await this.services.containers.top({ container, psArgs: query.text('ps_args') })).json;
  }

  /** Where nothing has changed clients are used to null. */
  @Get('containers/:id/changes')
  async changes(@Param('id') container: string): Promise<Buffer> {
    const { json } = await this.services.containers.changes({ container });
    return json.equals(EMPTY_LIST) ? NOTHING : json;
  }

  @Delete('containers/:id')
  @HttpCode(204)
  async remove(@Param('id') container: string, @ApiQuery() query: QueryParameters): Promise<void> {
    await this.services.containers.remove({
      container,
      volumes: query.flag('v'),
      force: query.flag('force'),
      link: query.flag('link'),
    });
  }

  @Post('containers/prune')
  @HttpCode(200)
  async prune(
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Res() response: Response,
  ): Promise<void> {
    const request = { filters: query.filters() };
    await sendPruned(response, { query, minor }, this.services.containers.prune(request));
  }

  @Post('commit')
  async commit(
    @ApiQuery() query: QueryParameters,
    @OptionalJson() body: JsonObjectBody | undefined,
  ): Promise<Buffer> {
    const container = query.text('container');
    if (container === '') throw invalidArgument('invalid name or ID supplied: ""');
    const { json } = await this.services.containers.commit({
      container,
      repository: query.text('repo'),
      tag: query.text('tag'),
      author: query.text('author'),
      comment: query.text('comment'),
      changes: query.list('changes'),
      pause: query.flag('pause', true),
      config: body?.bytes ?? Buffer.alloc(0),
    });
    return json;
  }
}

function stopRequest(container: string, query: QueryParameters, minor: number) {
  return {
    container,
    signal: minor < 42 ? '' : query.text('signal'),
    timeoutSeconds: query.integer('t'),
  };
}

const CHECKPOINT_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

function refuseCheckpoint(id: string): void {
  if (id === '') return;
  if (!CHECKPOINT_ID.test(id)) {
    throw invalidArgument(
      `invalid checkpoint ID ${JSON.stringify(id)}, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  }
  throw invalidArgument('checkpoint is only supported in experimental mode');
}
