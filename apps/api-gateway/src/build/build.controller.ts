import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { ImageData } from '../images/image-data';
import { ImageJobQueue } from '../images/image-jobs';
import { ApiQuery, ClientGone } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { sendJobProgress } from '../streaming/job-progress';
import { buildOptions } from './build-options';

/** API: ImageBuild, with the classic builder. */
@Controller()
export class BuildController {
  constructor(
    @Inject(ImageData) private readonly data: ImageData,
    @Inject(ImageJobQueue) private readonly jobs: ImageJobQueue,
  ) {}

  @Post('build')
  @HttpCode(200)
  async build(
    @ApiQuery() query: QueryParameters,
    @Req() request: Request,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const options = buildOptions(query);
    const uploadId = options.remote === '' ? await this.data.store(request) : '';
    const credentialsId = await this.data.storeText(request.header('x-registry-config') ?? '');
    const job = { ...options, uploadId, credentialsId, dockerfileId: '' };
    await sendJobProgress(response, this.jobs.run('build', job, signal));
  }
}
