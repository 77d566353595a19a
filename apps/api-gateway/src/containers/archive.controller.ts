import { Controller, Get, Head, HttpCode, Inject, Param, Put, Req, Res } from '@nestjs/common';
import type { ClientWritableStream } from '@grpc/grpc-js';
import { internal, invalidArgument } from '@gantry/shared/errors';
import type { PutArchiveRequest } from '@gantry/proto/container';
import { ServiceClients } from '../peers/service-clients';
import type { Request, Response } from '../routing/http-messages';
import { ApiQuery, ClientGone } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { sendByteStream } from '../streaming/byte-stream';
import { firstMessage } from '../streaming/first-message';

const STAT_HEADER = 'X-Docker-Container-Path-Stat';

/** API, tag Container: `docker cp`, both ways. */
@Controller()
export class ArchiveController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  @Head('containers/:id/archive')
  async stat(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @Res() response: Response,
  ): Promise<void> {
    const { stat } = await this.services.containers.statArchive({ container, path: pathOf(query) });
    response.setHeader(STAT_HEADER, stat.toString('base64'));
    response.setHeader('Content-Type', 'application/json');
    response.end();
  }

  @Get('containers/:id/archive')
  async read(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const messages = this.services.messagesOf(
      this.services.containers.getArchive({ container, path: pathOf(query) }, { signal }),
    );
    const { message } = await firstMessage(messages);
    if (message?.$case !== 'stat') throw internal('the archive began without its stat');
    response.setHeader(STAT_HEADER, message.value.stat.toString('base64'));
    response.setHeader('Content-Type', 'application/x-tar');
    await sendByteStream(response, Buffer.alloc(0), messages, (next) =>
      next.message?.$case === 'data' ? next.message.value : Buffer.alloc(0),
    );
  }

  @Put('containers/:id/archive')
  @HttpCode(200)
  async write(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @Req() request: Request,
  ): Promise<void> {
    const path = pathOf(query);
    const { stream, response } = this.services.containers.putArchive();
    stream.on('error', () => {}); // `response` rejects with it
    const start: PutArchiveRequest = {
      message: {
        $case: 'start',
        value: {
          container,
          path,
          noOverwriteDirNonDir: query.flag('noOverwriteDirNonDir'),
          copyUidGid: query.flag('copyUIDGID'),
        },
      },
    };
    stream.write(start);
    await pourUntilAnswered(request, stream, response);
  }
}

/**
 * Sends the request's body until the service answers, which it may do before the end (an error): the rest is read and
 * dropped, so that the client gets to read the answer. A client that goes away in the middle cancels the call.
 */
async function pourUntilAnswered(
  request: Request,
  stream: ClientWritableStream<PutArchiveRequest>,
  response: Promise<unknown>,
): Promise<void> {
  const onData = (chunk: Buffer) => {
    if (stream.write({ message: { $case: 'data', value: chunk } })) return;
    request.pause();
    stream.once('drain', () => request.resume());
  };
  request.on('data', onData);
  request.once('end', () => stream.end());
  request.once('close', () => {
    if (!request.complete) stream.cancel();
  });
  try {
    await response;
  } finally {
    request.removeListener('data', onData);
    request.resume();
  }
}

function pathOf(query: QueryParameters): string {
  const path = query.text('path');
  if (path === '') throw invalidArgument('bad parameter: path is required');
  return path;
}
