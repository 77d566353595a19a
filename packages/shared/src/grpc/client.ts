import {
  Client as Channel,
  type CallOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type MethodDefinition,
  Metadata,
  connectivityState,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { type HealthServiceServer, HealthServiceService } from '@gantry/proto/common';
import type { RpcTls } from '../config';
import { unavailable } from '../errors';
import { fromGrpcError } from '../errors/grpc-status';
import { channelCredentials, grpcTarget } from './address';
import { CallExchange, NotBegun } from './call-exchange';
import type { CallSettings, Client, ServiceDefinitionOf } from './method-types';
import { MAX_MESSAGE_BYTES } from './server';

/** What a service may send of one stream before somebody takes it; with HTTP/2's 64 KiB both sides mostly wait. Bytes. */
const WINDOW = 512 * 1024;

/**
 * How long a call waits for a service to be there: one that was killed is back within a second, on a host that is busy with
 * other things within some. Milliseconds.
 */
const CONNECT_MS = 30_000;

/**
 * Requests from here on go as calls of their own: on the stream of a `CallExchange` all others would wait behind them.
 * Bytes.
 */
const LARGE = 1024 * 1024;

/**
 * A connection on which both sides wait for the other to read hangs for good: one that answers no ping for so long is made
 * anew. Longer than a service that is only busy, or stopped for a while, keeps silent. Milliseconds.
 */
const KEEPALIVE_MS = 10_000;
const SILENCE_MS = 30_000;

const waiting = () => new Metadata({ waitForReady: true });

interface Stream {
  cancel(): void;
  call?: { cancelWithStatus(code: status, details: string): void };
}

/**
 * The connections to a service; the clients of all its interfaces share them. They reconnect by themselves. Streams have one for
 * themselves: thousands that nobody reads, or that end at once, may stall it or have it closed by the other side.
 */
export class ServiceChannel {
  private readonly streams: Channel;
  private readonly unaries: Channel;
  /** On the same host only: a proxy between hosts may spread plain calls over several servers. */
  private readonly exchange: CallExchange | undefined;

  /** `service` is the name in error messages. */
  constructor(
    private readonly service: string,
    address: string,
    tls?: RpcTls,
  ) {
    const connection = () =>
      new Channel(grpcTarget(address), channelCredentials(address, tls), {
        'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
        'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
        'grpc.initial_reconnect_backoff_ms': 50,
        'grpc.min_reconnect_backoff_ms': 50,
        'grpc.max_reconnect_backoff_ms': 500,
        'grpc.default_authority': 'localhost',
        'grpc.use_local_subchannel_pool': 1,
        'grpc.keepalive_time_ms': KEEPALIVE_MS,
        'grpc.keepalive_timeout_ms': SILENCE_MS,
        'grpc-node.flow_control_window': WINDOW,
      });
    this.streams = connection();
    this.unaries = connection();
    if (address.startsWith('unix://')) this.exchange = new CallExchange(this.unaries);
  }

  /** A typed client of one interface: `channel.client<ImageServiceServer>(ImageServiceService)`. */
  client<S>(definition: ServiceDefinitionOf): Client<S> {
    const methods: Record<string, unknown> = {};
    for (const [name, method] of Object.entries(definition)) methods[name] = this.method(method);
    return methods as Client<S>;
  }

  /** Resolves when the service has said that it is there. @throws Unavailable where it does not in so many milliseconds */
  async answers(limitMs: number): Promise<void> {
    await this.client<HealthServiceServer>(HealthServiceService).check({}, { deadlineMs: limitMs });
  }

  close(): void {
    this.exchange?.close();
    this.unaries.close();
    this.streams.close();
  }

  private method(method: MethodDefinition<unknown, unknown>): unknown {
    const { path, requestSerialize: out, responseDeserialize: back } = method;
    if (method.requestStream && method.responseStream) {
      return (settings?: CallSettings) =>
        this.begun(
          this.streams.makeBidiStreamRequest(path, out, back, waiting(), options(settings)),
          settings,
        );
    }
    if (method.responseStream) {
      return (request: unknown, settings?: CallSettings) =>
        this.begun(
          this.streams.makeServerStreamRequest(path, out, back, request, waiting(), options(settings)),
          settings,
        );
    }
    if (method.requestStream) {
      return (settings?: CallSettings) => {
        let settle: (error: ServiceError | null, response?: unknown) => void = () => {};
        const response = new Promise<unknown>((resolve, reject) => {
          settle = (error, value) => (error ? reject(this.error(error)) : resolve(value));
        });
        const stream = this.streams.makeClientStreamRequest(
          path,
          out,
          back,
          waiting(),
          options(settings),
          (error, value) => settle(error, value),
        );
        return { stream: this.begun(stream, settings), response };
      };
    }
    return this.unary(method);
  }

  private unary(method: MethodDefinition<unknown, unknown>) {
    const { path, requestSerialize: out, responseDeserialize: back } = method;
    const plain = (request: unknown, settings?: CallSettings) =>
      new Promise((resolve, reject) => {
        const call = this.unaries.makeUnaryRequest(
          path,
          out,
          back,
          request,
          new Metadata(),
          options(settings),
          (error, value) => (error ? reject(this.error(error)) : resolve(value)),
        );
        cancelWith(call, settings);
      });
    const { exchange } = this;
    const send = !exchange
      ? plain
      : async (request: unknown, settings?: CallSettings): Promise<unknown> => {
          const encoded = out(request);
          if (encoded.length >= LARGE) return plain(request, settings);
          const ask = () => exchange.call(path, encoded, settings);
          try {
            return back(await ask());
          } catch (error) {
            if (!(error instanceof NotBegun)) throw this.error(error);
          }
          await this.connected();
          return ask().then(back, (error: unknown) => {
            throw this.error(error);
          });
        };
    return (request: unknown, settings?: CallSettings) =>
      exchange?.isOpen || this.state === connectivityState.READY
        ? send(request, settings)
        : this.connected(settings?.deadlineMs).then(() => {
            // One that takes the connection and then says nothing would keep the call waiting as long again.
            if (this.state !== connectivityState.CONNECTING) return send(request, settings);
            throw unavailable(`${this.service} is not reachable: No connection established`);
          });
  }

  private get state(): connectivityState {
    return this.unaries.getChannel().getConnectivityState(false);
  }

  /**
   * Waits for a service that starts, or starts again, but not for ever. Where it does not come, the call that follows says
   * so better than we could.
   */
  connected(limitMs = CONNECT_MS): Promise<void> {
    return new Promise((resolve) => this.unaries.waitForReady(Date.now() + limitMs, () => resolve()));
  }

  /** Streams wait for a service as unary calls do. */
  private begun<T extends Stream>(stream: T, settings?: CallSettings): T {
    if (this.streams.getChannel().getConnectivityState(false) !== connectivityState.READY) {
      this.streams.waitForReady(Date.now() + CONNECT_MS, (error) => {
        if (error) stream.call?.cancelWithStatus(status.UNAVAILABLE, 'No connection established');
      });
    }
    return cancelWith(stream, settings);
  }

  /** Streams hand out grpc-js's errors: this makes an EngineError of one. */
  error(error: unknown): Error {
    return fromGrpcError(error as ServiceError, this.service);
  }
}

function options(settings?: CallSettings): CallOptions {
  return settings?.deadlineMs === undefined ? {} : { deadline: Date.now() + settings.deadlineMs };
}

function cancelWith<T extends { cancel(): void }>(call: T, settings?: CallSettings): T {
  if (settings?.signal) {
    if (settings.signal.aborted) call.cancel();
    else settings.signal.addEventListener('abort', () => call.cancel(), { once: true });
  }
  return call;
}

/** The messages of a stream in order, with back-pressure; errors are EngineErrors. */
export async function* messages<T>(
  channel: ServiceChannel,
  stream: ClientReadableStream<T> | ClientDuplexStream<never, T>,
): AsyncGenerator<T> {
  try {
    for await (const message of stream) yield message as T;
  } catch (error) {
    throw channel.error(error);
  } finally {
    stream.cancel();
  }
}
