import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { ImageData } from '../images/image-data';
import { ImageJobQueue } from '../images/image-jobs';
import { headerOf, type Request, type Response } from '../routing/http-messages';
import { ApiQuery, ClientGone } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { sendJobProgress } from '../streaming/job-progress';
import { BuildKitRequests } from './buildkit-requests';
import { buildOptions, isForBuildKit, outputsOf } from './build-options';

/** API: ImageBuild. */
@Controller()
export class BuildController {
  /** Of the builds that are running, by the name that their clients gave them. */
  private readonly named = new Map<string, AbortController>();

  constructor(
    @Inject(ImageData) private readonly data: ImageData,
    @Inject(ImageJobQueue) private readonly jobs: ImageJobQueue,
    @Inject(BuildKitRequests) private readonly buildKit: BuildKitRequests,
  ) {}

  @Post('build')
  @HttpCode(200)
  async build(
    @ApiQuery() query: QueryParameters,
    @Req() request: Request,
    @Res() response: Response,
    @ClientGone() gone: AbortSignal,
  ): Promise<void> {
    const name = query.text('buildid');
    if (name === '') return this.run(query, request, response, gone);
    const cancelled = new AbortController();
    this.named.set(name, cancelled);
    try {
      await this.run(query, request, response, AbortSignal.any([gone, cancelled.signal]));
    } finally {
      if (this.named.get(name) === cancelled) this.named.delete(name);
    }
  }

  /** That of a build which nobody runs is no error. */
  @Post('build/cancel')
  @HttpCode(200)
  cancel(@ApiQuery() query: QueryParameters): void {
    const name = query.text('id');
    if (name === '') throw invalidArgument('build ID not provided');
    this.named.get(name)?.abort();
  }

  private async run(
    query: QueryParameters,
    request: Request,
    response: Response,
    signal: AbortSignal,
  ): Promise<void> {
    if (isForBuildKit(query)) return this.buildKit.build(query, request, response, signal);
    const options = buildOptions(query);
    if (outputsOf(query).length > 0) {
      throw invalidArgument('Builder V1 does not support outputs option. Use BuildKit to use it');
    }
    const uploadId = options.remote === '' ? await this.data.store(request) : '';
    const credentialsId = await this.data.storeText(headerOf(request, 'x-registry-config'));
    const job = { ...options, uploadId, credentialsId, dockerfileId: '' };
    await sendJobProgress(response, this.jobs.run('build', job, signal));
  }
}
