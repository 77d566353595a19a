import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { headerOf, type Request, type Response } from '../routing/http-messages';
import { ApiMinor, ApiQuery, ClientGone, ImageName } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { sendJobProgress } from '../streaming/job-progress';
import { ImageData } from './image-data';
import { ImageJobQueue } from './image-jobs';

/** API: ImagePush. */
@Controller()
export class ImagePushController {
  constructor(
    @Inject(ImageData) private readonly data: ImageData,
    @Inject(ImageJobQueue) private readonly jobs: ImageJobQueue,
  ) {}

  @Post('images/*name/push')
  @HttpCode(200)
  async push(
    @ImageName() repository: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Req() request: Request,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const job = {
      repository,
      tag: query.text('tag'),
      // Since 1.46.
      platformJson: minor < 46 ? '' : query.text('platform'),
      credentialsId: await this.data.storeText(headerOf(request, 'x-registry-auth')),
    };
    await sendJobProgress(response, this.jobs.run('push', job, signal));
  }
}
