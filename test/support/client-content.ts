import { createHash } from 'node:crypto';
import { type Server, type ServerDuplexStream, type ServerWritableStream, status } from '@grpc/grpc-js';
import {
  ContentInfoRequest,
  ContentInfoResponse,
  CredentialsRequest,
  CredentialsResponse,
  ReadContentRequest,
  ReadContentResponse,
  WriteAction,
  WriteContentRequest,
  WriteContentResponse,
} from '@gantry/proto/session';
import type { Metadata, sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';

/** Blobs by digest, of each content store of a client, by the store's name. */
export type ContentStores = Record<string, Map<string, Buffer>>;

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

function method<Request, Response>(
  path: string,
  request: Codec<Request>,
  response: Codec<Response>,
  [requestStream, responseStream]: [boolean, boolean],
) {
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: (message: Request) => Buffer.from(request.encode(message).finish()),
    requestDeserialize: (bytes: Buffer) => request.decode(bytes),
    responseSerialize: (message: Response) => Buffer.from(response.encode(message).finish()),
    responseDeserialize: (bytes: Buffer) => response.decode(bytes),
  };
}

const CONTENT = '/containerd.services.content.v1.Content/';
const METHODS = {
  info: method(`${CONTENT}Info`, ContentInfoRequest, ContentInfoResponse, [false, false]),
  read: method(`${CONTENT}Read`, ReadContentRequest, ReadContentResponse, [false, true]),
  write: method(`${CONTENT}Write`, WriteContentRequest, WriteContentResponse, [true, true]),
};

/** containerd's content service, as buildx offers it for caches of type `local`. */
export function offerContent(server: Server, stores: ContentStores): void {
  const storeOf = (metadata: Metadata) =>
    stores[String(metadata.get('buildkit-attachable-store-id')[0])] ?? new Map<string, Buffer>();
  const none = (digest: string) => ({ code: status.NOT_FOUND, details: `content ${digest}: not found` });
  server.addService(METHODS, {
    info: (
      { metadata, request: { digest } }: ServerUnaryCall<ContentInfoRequest, ContentInfoResponse>,
      answer: sendUnaryData<ContentInfoResponse>,
    ) => {
      const size = storeOf(metadata).get(digest)?.length;
      if (size === undefined) answer(none(digest));
      else answer(null, { info: { digest, size } });
    },
    read: (call: ServerWritableStream<ReadContentRequest, ReadContentResponse>) => {
      const { digest, offset, size } = call.request;
      const blob = storeOf(call.metadata).get(digest);
      if (!blob) return call.emit('error', none(digest));
      call.write({ offset, data: blob.subarray(offset, size === 0 ? undefined : offset + size) });
      return call.end();
    },
    write: (call: ServerDuplexStream<WriteContentRequest, WriteContentResponse>) => {
      const store = storeOf(call.metadata);
      let written = Buffer.alloc(0);
      call.on('data', ({ action, expected, data }: WriteContentRequest) => {
        if (store.has(expected)) {
          call.emit('error', { code: status.ALREADY_EXISTS, details: `content ${expected}: already exists` });
          return;
        }
        written = Buffer.concat([written, data]);
        const digest = `sha256:${createHash('sha256').update(written).digest('hex')}`;
        if (action === WriteAction.COMMIT && digest === expected) store.set(digest, written);
        call.write({ action, offset: written.length });
      });
      call.once('end', () => call.end());
      call.on('error', () => {}); // the builder hears it
    },
  });
}

const ASK = method('/moby.filesync.v1.Auth/Credentials', CredentialsRequest, CredentialsResponse, [
  false,
  false,
]);

/** What a client has for registries: `user:secret` by host. */
export function offerCredentials(server: Server, known: Record<string, string>): void {
  server.addService(
    { credentials: ASK },
    {
      credentials: (
        { request }: ServerUnaryCall<CredentialsRequest, CredentialsResponse>,
        answer: sendUnaryData<CredentialsResponse>,
      ) => {
        const [username = '', secret = ''] = (known[request.host] ?? '').split(':');
        answer(null, { username, secret });
      },
    },
  );
}
