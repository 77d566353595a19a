import { Controller, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { inLargePieces, written } from '@gantry/shared/streams';
import { headerOf, type Request, type Response } from '../routing/http-messages';
import { ApiMinor, ApiQuery, ClientGone, ImageName } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { sendJobProgress, sendLines } from '../streaming/job-progress';
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
    @ApiMinor() minor: number,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const platformsJson = platformsOf(query, minor);
    const uploadId = await this.data.store(request);
    const quiet = query.flag('quiet', minor < 23);
    // docker-squash hangs up when it has sent the archive; dockerd loads it all the same.
    const { signal } = new AbortController();
    const lines = this.jobs.run('load', { uploadId, quiet, platformsJson }, signal);
    await sendLines(response, lines, { toTheEnd: true });
  }

  /** Pull (`fromImage`) or import (`fromSrc`). */
  @Post('images/create')
  @HttpCode(200)
  async create(
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Req() request: Request,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const platform = minor < 32 ? '' : query.text('platform');
    if (query.text('fromImage') !== '') return this.pull({ query, platform }, request, response, signal);
    const source = query.text('fromSrc');
    if (source === '') throw invalidArgument('bad parameter: fromImage or fromSrc is required');
    const lines = this.jobs.run(
      'import',
      {
        source,
        uploadId: source === '-' ? await this.data.store(request) : '',
        ...splitReference(query.text('repo'), query.text('tag')),
        message: query.text('message'),
        changes: query.list('changes'),
        platform,
      },
      signal,
    );
    await sendJobProgress(response, lines);
  }

  private async pull(
    { query, platform }: { query: QueryParameters; platform: string },
    request: Request,
    response: Response,
    signal: AbortSignal,
  ): Promise<void> {
    const credentials = headerOf(request, 'x-registry-auth');
    const job = {
      repository: query.text('fromImage'),
      tag: query.text('tag'),
      platform,
      credentialsId: await this.data.storeText(credentials),
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
    await this.save(query.list('names'), platformsOf(query, minor), response, signal);
  }

  @Get('images/*name/get')
  async saveOne(
    @ImageName() name: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    await this.save([name], platformsOf(query, minor), response, signal);
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
    try {
      await inLargePieces(archive, (piece) => written(response, piece));
      response.end();
    } catch {
      archive.destroy();
      response.destroy();
    }
  }
}

/** OCI platforms as JSON, since API 1.48; several of them since 1.52. */
function platformsOf(query: QueryParameters, minor: number): string[] {
  const platforms = minor < 48 ? [] : query.list('platform').filter((platform) => platform !== '');
  if (platforms.length > 1 && minor < 52) {
    throw invalidArgument('multiple platform parameters are not supported by this API version');
  }
  return platforms;
}

/** The CLI sends `repo=name:tag` and no tag. */
function splitReference(repo: string, tag: string): { repository: string; tag: string } {
  const colon = repo.lastIndexOf(':');
  if (tag !== '' || colon <= repo.lastIndexOf('/')) return { repository: repo, tag };
  return { repository: repo.slice(0, colon), tag: repo.slice(colon + 1) };
}
