import { Controller, HttpCode, Inject, Post, Res } from '@nestjs/common';
import { messageOf } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ImageJobQueue } from '../images/image-jobs';
import { ServiceClients } from '../peers/service-clients';
import type { Response } from '../routing/http-messages';
import { ApiQuery, ClientGone } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { sendJobProgress } from '../streaming/job-progress';

/** Gantry's own: what `gantry check` asks for. */
@Controller()
export class CheckController {
  constructor(
    @Inject(ServiceClients) private readonly services: ServiceClients,
    @Inject(ImageJobQueue) private readonly jobs: ImageJobQueue,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Compares what the node has on disk with the index and reads all of it; with `repair` mends what can be mended. JSON
   * lines: progress `{status, id?, progressDetail?}`, findings `{kind, id, problem, repaired, action?}`, and at the end
   * `{summary: {problems, repaired, left}}`.
   */
  @Post('gantry/check')
  @HttpCode(200)
  async check(
    @ApiQuery() query: QueryParameters,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const repair = query.flag('repair');
    const containerIds = await this.containerIds();
    await sendJobProgress(response, this.jobs.run('check', { repair, containerIds }, signal));
  }

  /** undefined when container-service is away: then nothing is said about the layers of containers. */
  private async containerIds(): Promise<string[] | undefined> {
    try {
      const { json } = await this.services.containers.list({
        all: true,
        limit: 0,
        size: false,
        filters: undefined,
      });
      return (JSON.parse(json.toString()) as { Id: string }[]).map(({ Id }) => Id);
    } catch (error) {
      this.logger.warn({ reason: messageOf(error) }, 'the check does without the containers');
      return undefined;
    }
  }
}
