import { Controller, Delete, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { notImplemented } from '@gantry/shared/errors';
import { ServiceClients } from '../peers/service-clients';
import { ApiMinor, ApiQuery, ImageName } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { shapeImageInspect, shapeImageList } from '../shaping/image-documents';

/** API, tag Image: everything that is one question and one answer. Names may have slashes in them. */
@Controller()
export class ImagesController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  @Get('images/json')
  async list(@ApiQuery() query: QueryParameters, @ApiMinor() minor: number): Promise<Buffer> {
    if (query.flag('identity')) throw notImplemented('the identity of images is not built yet');
    const filters = query.filters();
    const reference = query.text('filter');
    // Deprecated in 1.13, removed with API 1.41.
    if (minor < 41 && reference !== '') filters.terms['reference'] = { values: [reference] };
    const { json } = await this.services.images.list({
      all: query.flag('all'),
      filters,
      sharedSize: query.flag('shared-size'),
      manifests: query.flag('manifests'),
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
      manifests: query.flag('manifests'),
      platformJson: query.text('platform'),
    });
    return shapeImageInspect(json, minor);
  }

  @Get('images/*name/history')
  async history(@ImageName() reference: string, @ApiQuery() query: QueryParameters): Promise<Buffer> {
    const { json } = await this.services.images.history({ reference, platformJson: query.text('platform') });
    return json;
  }

  @Post('images/*name/tag')
  async tag(@ImageName() source: string, @ApiQuery() query: QueryParameters): Promise<void> {
    await this.services.images.tag({ source, repository: query.text('repo'), tag: query.text('tag') });
  }

  @Delete('images/*name')
  async remove(@ImageName() reference: string, @ApiQuery() query: QueryParameters): Promise<Buffer> {
    if (query.has('platforms'))
      throw notImplemented('removing single platforms of an image is not built yet');
    const { json } = await this.services.images.remove({
      reference,
      force: query.flag('force'),
      noPrune: query.flag('noprune'),
    });
    return json;
  }

  @Post('images/prune')
  @HttpCode(200)
  async prune(@ApiQuery() query: QueryParameters): Promise<Buffer> {
    return (await this.services.images.prune({ filters: query.pruneFilters() })).json;
  }
}
