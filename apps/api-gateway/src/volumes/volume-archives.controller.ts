import { Controller, Get, HttpCode, Inject, Param, Post, Put, Req, Res } from '@nestjs/common';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { ImportVolumeRequest } from '@gantry/proto/volume';
import type { JsonDocument } from '@gantry/proto/common';
import { internal, invalidArgument } from '@gantry/shared/errors';
import { ServiceClients } from '../peers/service-clients';
import type { Request, Response } from '../routing/http-messages';
import type { JsonObjectBody } from '../routing/json-body';
import { ApiQuery, ClientGone, RequiredJson } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { sendByteStream } from '../streaming/byte-stream';
import { firstMessage } from '../streaming/first-message';
import { sendJsonLines } from '../streaming/json-lines';

const DIGEST = 'Gantry-Archive-Digest';

/** Gantry's own: backup and restore of volumes, and clones. */
@Controller('gantry/volumes')
export class VolumeArchivesController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  /**
   * A tar of what was in the volume at one moment, with `compression=zstd` compressed. `Gantry-Volume-Bytes` and
   * `Gantry-Volume-Entries` say how much is coming; the trailer `Gantry-Archive-Digest` (sha256) is there only when
   * everything came, and an answer that breaks off is no archive.
   */
  @Get(':name/archive')
  async read(
    @Param('name') name: string,
    @ApiQuery() query: QueryParameters,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const compression = query.text('compression') || 'none';
    if (compression !== 'none' && compression !== 'zstd') {
      throw invalidArgument(`invalid compression ${compression}: none or zstd`);
    }
    const zstd = compression === 'zstd';
    const messages = this.services.messagesOf(
      this.services.volumeArchives.export({ name, zstd }, { signal }),
      'volume',
    );
    const { message } = await firstMessage(messages);
    if (message?.$case !== 'start') throw internal('the archive began without its start');
    response.setHeader('Content-Type', zstd ? 'application/zstd' : 'application/x-tar');
    response.setHeader('Gantry-Volume-Bytes', message.value.bytes);
    response.setHeader('Gantry-Volume-Entries', message.value.entries);
    response.setHeader('Trailer', DIGEST);
    await sendByteStream(response, Buffer.alloc(0), messages, ({ message: next }) => {
      if (next?.$case === 'end') response.addTrailers({ [DIGEST]: next.value.digest });
      return next?.$case === 'data' ? next.value : Buffer.alloc(0);
    });
  }

  /**
   * Replaces what is in the volume, or makes it. The tar may be compressed (gzip, zstd, xz, bzip2); `digest` (sha256:...)
   * has to be that of the body. JSON lines: progress, and at the end `Restored` with the digest in `aux`. Until then
   * nothing has changed.
   */
  @Put(':name/archive')
  @HttpCode(200)
  async write(
    @Param('name') name: string,
    @ApiQuery() query: QueryParameters,
    @Req() request: Request,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const digest = query.text('digest');
    if (digest !== '' && !/^sha256:[0-9a-f]{64}$/.test(digest)) {
      throw invalidArgument(`invalid digest ${digest}`);
    }
    const call = this.services.volumeArchives.import({ signal });
    const bytes = Number(request.headers['content-length'] ?? 0);
    call.write({ message: { $case: 'start', value: { name, digest, bytes } } });
    pour(request, call);
    try {
      await sendJsonLines(response, this.services.messagesOf(call, 'volume'));
    } finally {
      // An error may come before the end of the body: the rest is read and dropped, so that the client gets to read it.
      request.removeAllListeners('data');
      request.resume();
    }
  }

  @Post(':name/clone')
  @HttpCode(201)
  async clone(@Param('name') source: string, @RequiredJson() body: JsonObjectBody): Promise<Buffer> {
    return (await this.services.volumeArchives.clone({ source, config: body.bytes })).json;
  }
}

/** The body into the call, as fast as that takes it. A client that goes away in the middle cancels it. */
function pour(request: Request, call: ClientDuplexStream<ImportVolumeRequest, JsonDocument>): void {
  call.on('error', () => {}); // whoever reads the answers sees it
  request.on('data', (value: Buffer) => {
    if (call.write({ message: { $case: 'data', value } })) return;
    request.pause();
    call.once('drain', () => request.resume());
  });
  request.once('end', () => call.end());
  request.once('close', () => {
    if (!request.complete) call.cancel();
  });
}
