import { randomUUID } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { Controller, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import { ApiMinor, ApiQuery, ClientGone, ImageName } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { sendJobProgress } from '../streaming/job-progress';
import { ImageData } from './image-data';
import { ImageJobQueue } from './image-jobs';
import { sharedPull } from './shared-job';

/** API, tag Image: whole images as tar archives, in and out. */
@Controller()
export class ImageTransfersController {
  constructor(
    @Inject(ImageData) private readonly data: ImageData,
    @Inject(ImageJobQueue) private readonly jobs: ImageJobQueue,
  ) {}

  @Post('images/load')
  @HttpCode(200)
  async load(
    @ApiQuery() query: QueryParameters,
    @Req() request: Request,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const platforms = query.list('platform');
    if (platforms.length > 1) throw notImplemented('loading several chosen platforms is not built yet');
    const uploadId = await this.upload(request);
    const quiet = query.flag('quiet');
    const lines = this.jobs.run('load', { uploadId, quiet, platform: platforms[0] ?? '' }, signal);
    await sendJobProgress(response, lines);
  }

  /** Pull (`fromImage`) or import (`fromSrc`). */
  @Post('images/create')
  @HttpCode(200)
  async create(
    @ApiQuery() query: QueryParameters,
    @Req() request: Request,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    if (query.text('fromImage') !== '') return this.pull(query, request, response, signal);
    const source = query.text('fromSrc');
    if (source === '') throw invalidArgument('bad parameter: fromImage or fromSrc is required');
    if (source !== '-') throw notImplemented('importing from a URL is not built yet');
    const uploadId = await this.upload(request);
    const lines = this.jobs.run(
      'import',
      {
        uploadId,
        ...splitReference(query.text('repo'), query.text('tag')),
        message: query.text('message'),
        changes: query.list('changes'),
        platform: query.text('platform'),
      },
      signal,
    );
    await sendJobProgress(response, lines);
  }

  private async pull(
    query: QueryParameters,
    request: Request,
    response: Response,
    signal: AbortSignal,
  ): Promise<void> {
    const credentials = request.header('x-registry-auth') ?? '';
    const job = {
      repository: query.text('fromImage'),
      tag: query.text('tag'),
      platform: query.text('platform'),
      credentialsId: await this.data.uploadCredentials(credentials),
    };
    const share = {
      key: await sharedPull(job, credentials),
      onJoined: async () => {
        if (job.credentialsId !== '') await this.data.discard(job.credentialsId);
      },
    };
    await sendJobProgress(response, this.jobs.run('pull', job, signal, share));
  }

  @Get('images/get')
  async saveSeveral(
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    await this.save(query.list('names'), minor < 48 ? [] : query.list('platform'), response, signal);
  }

  @Get('images/*name/get')
  async saveOne(
    @ImageName() name: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    await this.save([name], minor < 48 ? [] : query.list('platform'), response, signal);
  }

  private async save(
    names: string[],
    platforms: string[],
    response: Response,
    signal: AbortSignal,
  ): Promise<void> {
    if (names.length === 0) throw invalidArgument('bad parameter: names is required');
    const archive = await this.data.export(names, platforms, signal);
    response.setHeader('Content-Type', 'application/x-tar');
    // A source or a client that breaks takes the connection with it: half an archive must not look whole.
    await pipeline(archive, response).catch(() => response.destroy());
  }

  private async upload(request: Request): Promise<string> {
    const id = randomUUID();
    await this.data.upload(id, request);
    return id;
  }
}

/** The CLI sends `repo=name:tag` and no tag. */
function splitReference(repo: string, tag: string): { repository: string; tag: string } {
  const colon = repo.lastIndexOf(':');
  if (tag !== '' || colon <= repo.lastIndexOf('/')) return { repository: repo, tag };
  return { repository: repo.slice(0, colon), tag: repo.slice(colon + 1) };
}
