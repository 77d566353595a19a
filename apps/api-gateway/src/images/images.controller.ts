import { Controller, Delete, Get, HttpCode, Inject, Post, Res } from '@nestjs/common';
import { invalidArgument, notFound } from '@gantry/shared/errors';
import { ServiceClients } from '../peers/service-clients';
import type { Response } from '../routing/http-messages';
import { ApiMinor, ApiQuery, ClientGone, ImageName } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { shapeImageInspect, shapeImageList } from '../shaping/image-documents';
import { sendJsonLines } from '../streaming/json-lines';
import { sendDocument } from '../streaming/document';

/** API, tag Image: everything that is one question and one answer. Names may have slashes in them. */
@Controller()
export class ImagesController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  @Get('images/json')
  async list(@ApiQuery() query: QueryParameters, @ApiMinor() minor: number): Promise<Buffer> {
    const filters = query.filters();
    const reference = query.text('filter');
    // Deprecated in 1.13, removed with API 1.41.
    if (minor < 41 && reference !== '') filters.terms['reference'] = { values: [reference] };
    const manifests = minor >= 47 && query.flag('manifests');
    const identity = minor >= 54 && query.flag('identity');
    if (identity && !manifests) throw invalidArgument('conflicting options: identity requires manifests=1');
    const { json } = await this.services.images.list({
      all: query.flag('all'),
      filters,
      sharedSize: query.flag('shared-size'),
      manifests,
      identity,
    });
    return shapeImageList(json, minor);
  }

  @Get('images/*name/json')
  async inspect(
    @ImageName() reference: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
  ): Promise<Buffer> {
    const { json } = await this.services.images.inspect({
      reference,
      manifests: minor >= 48 && query.flag('manifests'),
      platformJson: minor >= 49 ? query.text('platform') : '',
    });
    return shapeImageInspect(json, minor);
  }

  @Get('images/*name/attestations')
  async attestations(
    @ImageName() reference: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
  ): Promise<Buffer> {
    if (minor < 55) throw notFound('page not found');
    const platforms = query.list('platform');
    if (platforms.length > 1) throw invalidArgument('only one platform can be asked for');
    const { json } = await this.services.images.attestations({
      reference,
      platformJson: platforms[0] ?? '',
      types: query.list('type'),
      statement: query.flag('statement'),
    });
    return json;
  }

  @Get('images/*name/history')
  async history(
    @ImageName() reference: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
  ): Promise<Buffer> {
    const platformJson = minor >= 48 ? query.text('platform') : '';
    return (await this.services.images.history({ reference, platformJson })).json;
  }

  @Post('images/*name/tag')
  async tag(@ImageName() source: string, @ApiQuery() query: QueryParameters): Promise<void> {
    await this.services.images.tag({ source, repository: query.text('repo'), tag: query.text('tag') });
  }

  @Delete('images/*name')
  async remove(
    @ImageName() reference: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
  ): Promise<Buffer> {
    const { json } = await this.services.images.remove({
      reference,
      force: query.flag('force'),
      noPrune: query.flag('noprune'),
      platformsJson: minor >= 50 ? query.list('platforms') : [],
    });
    return json;
  }

  @Post('images/prune')
  @HttpCode(200)
  async prune(
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const request = { filters: query.filters() };
    if (minor < 56 || !query.flag('stream')) {
      sendDocument(response, (await this.services.images.prune(request, { signal })).json);
      return;
    }
    const call = this.services.images.pruneProgress(request, { signal });
    await sendJsonLines(response, this.services.messagesOf(call, 'image'));
  }
}
