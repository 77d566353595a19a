import { type Client, type ClientDuplexStream, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type Answer, type Call, CallServiceService } from '@gantry/proto/calls';
import { errorMetadata } from '../errors/grpc-status';
import type { CallSettings } from './method-types';

const { path, requestSerialize, responseDeserialize } = CallServiceService.exchange;

/** A call that waits for its answer. */
interface Waiting {
  answered(response: Buffer): void;
  /** With what grpc-js would have said of a plain call, or {@link NotBegun}. */
  failed(error: ServiceError): void;
}

/**
 * Unary calls to a server on the same host, all on one stream (`gantry.calls.v1`): a message there and one back, where a
 * plain call is an HTTP/2 stream of its own with headers and trailers (ADR 0028). The stream is opened by the first call,
 * and again by the first one after it broke. The server's side is `ExchangeServer`.
 */
export class CallExchange {
  private stream: ClientDuplexStream<Call, Answer> | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  constructor(private readonly channel: Client) {}

  get isOpen(): boolean {
    return this.stream !== undefined;
  }

  /** Asks `method`, a path, with an encoded request; resolves to the encoded response. Rejects with a ServiceError. */
  call(method: string, request: Buffer, settings: CallSettings = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (settings.signal?.aborted) {
        reject(serviceError(status.CANCELLED, 'Cancelled on client'));
        return;
      }
      const id = this.freeId();
      const giveUp = (code: status, details: string) => {
        this.write({ id, method: '', request: Buffer.alloc(0) });
        end();
        reject(serviceError(code, details));
      };
      const cancel = () => giveUp(status.CANCELLED, 'Cancelled on client');
      const timer =
        settings.deadlineMs === undefined
          ? undefined
          : setTimeout(() => giveUp(status.DEADLINE_EXCEEDED, 'Deadline exceeded'), settings.deadlineMs);
      const end = () => {
        this.waiting.delete(id);
        clearTimeout(timer);
        settings.signal?.removeEventListener('abort', cancel);
      };
      settings.signal?.addEventListener('abort', cancel, { once: true });
      this.waiting.set(id, {
        answered: (response) => {
          end();
          resolve(response);
        },
        failed: (error) => {
          end();
          reject(error);
        },
      });
      this.write({ id, method, request });
    });
  }

  close(): void {
    this.stream?.cancel();
  }

  private write(call: Call): void {
    this.stream ??= this.open();
    this.stream.write(call);
  }

  private open(): ClientDuplexStream<Call, Answer> {
    const stream = this.channel.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
      {},
    );
    // A broken stream emits both 'error' and 'end'.
    const over = (error: ServiceError) => {
      if (this.stream !== stream) return;
      this.stream = undefined;
      const calls = [...this.waiting.values()];
      this.waiting.clear();
      for (const call of calls) call.failed(error);
    };
    stream.on('data', ({ id, code, details, kind, response }: Answer) => {
      const call = this.waiting.get(id);
      if (code === status.OK) call?.answered(response);
      else call?.failed(serviceError(code, details, errorMetadata(kind)));
    });
    stream.on('end', () => over(new NotBegun()));
    stream.on('error', over);
    return stream;
  }

  /** The next number that no waiting call has: one may wait for days while the others go round. */
  private freeId(): number {
    do this.lastId = (this.lastId + 1) % 0xffff_ffff;
    while (this.waiting.has(this.lastId));
    return this.lastId;
  }
}

/** The server ended the stream in good order and had not begun this call: it may be asked again. */
export class NotBegun extends Error implements ServiceError {
  readonly code = status.UNAVAILABLE;
  readonly details = 'it is stopping';
  readonly metadata = new Metadata();
}

function serviceError(code: status, details: string, metadata = new Metadata()): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata });
}
