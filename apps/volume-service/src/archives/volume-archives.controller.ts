import { createHash } from 'node:crypto';
import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { Injectable } from '@nestjs/common';
import type { JsonDocument } from '@gantry/proto/common';
import type {
  CloneVolumeRequest,
  ExportVolumeRequest,
  ExportVolumeResponse,
  ImportVolumeRequest,
  VolumeArchiveServiceServer,
} from '@gantry/proto/volume';
import { invalidArgument, unavailable } from '@gantry/shared/errors';
import { fromJson, incoming, toJson, writeMessage, type Implementation } from '@gantry/shared/grpc';
import { inLargePieces } from '@gantry/shared/streams';
import { VolumeListing } from '../volumes/volume-listing';
import { VolumeArchives } from './volume-archives';

/** How often progress is told. Milliseconds. */
const PROGRESS_MS = 500;

/** Gantry's own: backup, restore, clones. */
@Injectable()
export class VolumeArchivesController implements Implementation<VolumeArchiveServiceServer> {
  constructor(
    private readonly archives: VolumeArchives,
    private readonly listing: VolumeListing,
  ) {}

  async export(call: ServerWritableStream<ExportVolumeRequest, ExportVolumeResponse>): Promise<void> {
    const hash = createHash('sha256');
    const send = async (message: ExportVolumeResponse['message']) => {
      if (!(await writeMessage(call, { message }))) throw unavailable('whoever asked is gone');
    };
    await this.archives.export(call.request.name, call.request.zstd, async ({ bytes, entries, content }) => {
      await send({ $case: 'start', value: { bytes, entries } });
      await inLargePieces(content, async (piece) => {
        hash.update(piece);
        // grpc-js keeps what it is given until it is on its way, and the piece is used again.
        await send({ $case: 'data', value: Buffer.from(piece) });
      });
    });
    await send({ $case: 'end', value: { digest: `sha256:${hash.digest('hex')}` } });
  }

  async import(call: ServerDuplexStream<ImportVolumeRequest, JsonDocument>): Promise<void> {
    const messages = incoming(call)[Symbol.asyncIterator]();
    const first = await messages.next();
    const start = first.done ? undefined : first.value.message;
    if (start?.$case !== 'start') throw invalidArgument('the first message of Import has to be start');
    const { name, digest, bytes } = start.value;
    const total = bytes > 0 ? { total: bytes } : {};
    const tell = (status: string, current: number, aux?: object) =>
      writeMessage(call, toJson({ status, id: name, progressDetail: { current, ...total }, aux }));
    let current = 0;
    let told = Date.now();
    const content = async function* () {
      for (;;) {
        const { done, value } = await messages.next();
        if (done) break;
        if (value.message?.$case !== 'data') throw invalidArgument('data is expected after start');
        current += value.message.value.length;
        yield value.message.value;
        if (Date.now() - told < PROGRESS_MS) continue;
        told = Date.now();
        await tell('Restoring', current);
      }
      // What breaks off is no archive, even where the tar in it is whole.
      if (call.cancelled) throw unavailable('whoever sent the archive is gone');
    };
    const imported = await this.archives.import({ name, digest, content: content() });
    await tell('Restored', current, { Digest: imported.digest, Entries: imported.entries, Bytes: current });
  }

  async clone(request: CloneVolumeRequest): Promise<JsonDocument> {
    const { Name = '', Labels } = fromJson<{ Name?: string; Labels?: Record<string, string> | null }>(
      request.config,
    );
    const wanted = { name: Name, driver: 'local', options: {}, labels: Labels ?? {} };
    const { record } = await this.archives.clone(request.source, wanted);
    return toJson(await this.listing.describe(record));
  }
}
