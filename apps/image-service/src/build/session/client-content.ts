import { Readable } from 'node:stream';
import {
  ContentInfoRequest,
  ContentInfoResponse,
  ReadContentRequest,
  ReadContentResponse,
  WriteAction,
  WriteContentRequest,
  WriteContentResponse,
} from '@gantry/proto/session';
import { type SessionCall, SESSION_CALLS } from '@gantry/shared/buildkit';
import { invalidArgument, isKind, unavailable } from '@gantry/shared/errors';
import { digestOf } from '../../blobs/blob-store';
import { OCI_INDEX, OCI_MANIFEST } from '../../manifests/media-types';
import type {
  BlobAnswer,
  CallOptions,
  FetchedManifest,
  Repository,
  UploadableBlob,
} from '../../registry/registry';

/** Makes a call to the client's content service. */
export type OpenCall = (path: string) => SessionCall;

/** Bytes that a client is asked to take at once; gRPC's limit is 4 MiB. */
const PIECE = 1024 * 1024;

/** A content store in a directory of the client's (containerd, services/content): all in it is known by its digest. */
export class ClientContent implements Pick<Repository, 'manifest' | 'blob' | 'blobSize' | 'uploadBlob'> {
  constructor(
    private readonly open: OpenCall,
    private readonly maxDocument: number,
  ) {}

  /** A manifest, a configuration. @throws InvalidArgument where it is too large or not what its digest says */
  async document(digest: string, options: CallOptions = {}): Promise<Buffer> {
    const size = await this.blobSize(digest, options);
    if (size === undefined) throw invalidArgument(`content ${digest}: not found`);
    if (size > this.maxDocument) throw invalidArgument(`content ${digest} is too large: ${size} bytes`);
    const { body } = await this.blob(digest, { from: 0 }, options);
    const parts: Buffer[] = [];
    for await (const part of body as AsyncIterable<Buffer>) parts.push(part);
    const bytes = Buffer.concat(parts);
    if (digestOf(bytes) === digest) return bytes;
    throw invalidArgument(`content ${digest}: the bytes are ${digestOf(bytes)}`);
  }

  /** Its type is what it says itself, or what it looks like. */
  async manifest(digest: string, options: CallOptions = {}): Promise<FetchedManifest> {
    const bytes = await this.document(digest, options);
    const { mediaType, manifests } = parseJson(bytes);
    return { bytes, digest, mediaType: mediaType ?? (manifests === undefined ? OCI_MANIFEST : OCI_INDEX) };
  }

  async blob(
    digest: string,
    { from, to }: { from: number; to?: number },
    { signal }: CallOptions = {},
  ): Promise<BlobAnswer> {
    const call = this.open(SESSION_CALLS.readContent);
    const size = to === undefined ? 0 : to - from + 1;
    call.send(ReadContentRequest.encode({ digest, offset: from, size }).finish());
    call.end();
    const body = Readable.from(dataOf(call, signal));
    body.once('close', () => call.cancel());
    return { offset: from, body };
  }

  async blobSize(digest: string, { signal }: CallOptions = {}): Promise<number | undefined> {
    signal?.throwIfAborted();
    const call = this.open(SESSION_CALLS.contentInfo);
    try {
      call.send(ContentInfoRequest.encode({ digest }).finish());
      call.end();
      return ContentInfoResponse.decode(await nextOf(call.messages())).info?.size;
    } catch (error) {
      if (isKind(error, 'NotFound')) return undefined;
      throw error;
    } finally {
      call.cancel();
    }
  }

  async uploadBlob(blob: UploadableBlob, { signal }: CallOptions = {}): Promise<void> {
    const call = this.open(SESSION_CALLS.writeContent);
    try {
      await write(call, blob, signal);
    } catch (error) {
      // The client has it already.
      if (!isKind(error, 'Conflict')) throw error;
    } finally {
      call.cancel();
    }
  }
}

function parseJson(bytes: Buffer): { mediaType?: string; manifests?: unknown } {
  try {
    return (JSON.parse(bytes.toString('utf8')) ?? {}) as object;
  } catch (error) {
    throw invalidArgument('invalid manifest: no JSON', error);
  }
}

/** Every message is answered before the next one. */
async function write(
  call: SessionCall,
  { digest, size, open, onProgress }: UploadableBlob,
  signal: AbortSignal | undefined,
): Promise<void> {
  const answers = call.messages();
  const about = { ref: digest, total: size, expected: '' };
  const ask = async (message: Partial<WriteContentRequest>): Promise<WriteContentResponse> => {
    signal?.throwIfAborted();
    await call.sendWhole(WriteContentRequest.encode(WriteContentRequest.fromPartial(message)).finish());
    return WriteContentResponse.decode(await nextOf(answers));
  };
  await ask({ ...about, action: WriteAction.STAT, expected: digest });
  let offset = 0;
  for await (const chunk of open(0) as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; at += PIECE) {
      const data = chunk.subarray(at, at + PIECE);
      await ask({ ...about, action: WriteAction.WRITE, offset, data });
      offset += data.length;
      onProgress(offset);
    }
  }
  await ask({ ...about, action: WriteAction.COMMIT, offset, expected: digest });
  call.end();
}

async function nextOf(messages: AsyncGenerator<Buffer>): Promise<Buffer> {
  const next = await messages.next();
  if (next.done) throw unavailable('the client of the build has ended the call');
  return next.value;
}

async function* dataOf(call: SessionCall, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  for await (const message of call.messages()) {
    signal?.throwIfAborted();
    yield ReadContentResponse.decode(message).data;
  }
}
