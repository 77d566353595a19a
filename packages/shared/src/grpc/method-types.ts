import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerDuplexStream,
  ServerReadableStream,
  ServerWritableStream,
  ClientDuplexStream,
  ClientReadableStream,
  ClientWritableStream,
  MethodDefinition,
} from '@grpc/grpc-js';

/** The methods of a ts-proto `XServer` interface without its index signature. */
type KnownKeys<T> = keyof { [K in keyof T as string extends K ? never : K]: T[K] };

/** A ts-proto service definition: `XService`. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- messages of any service
export type ServiceDefinitionOf = Record<string, MethodDefinition<any, any>>;

/**
 * What a controller implements for the ts-proto server interface `S`: a unary method is an async function; a streaming
 * method gets grpc-js's call, and the stream ends when its promise settles (with the error, where it is rejected).
 */
export type Implementation<S> = {
  [K in KnownKeys<S>]: S[K] extends handleUnaryCall<infer Req, infer Res>
    ? (request: Req, context: CallContext) => Promise<Res>
    : S[K] extends handleServerStreamingCall<infer Req, infer Res>
      ? (call: ServerWritableStream<Req, Res>) => Promise<void>
      : S[K] extends handleClientStreamingCall<infer Req, infer Res>
        ? (call: ServerReadableStream<Req, Res>) => Promise<Res>
        : S[K] extends handleBidiStreamingCall<infer Req, infer Res>
          ? (call: ServerDuplexStream<Req, Res>) => Promise<void>
          : never;
};

/** What a unary method learns of its caller: `signal` aborts when the caller is gone. */
export interface CallContext {
  signal: AbortSignal;
}

export interface CallSettings {
  /** Milliseconds until the call fails with Unavailable; none where absent. */
  deadlineMs?: number;
  /** Cancels the call. */
  signal?: AbortSignal;
}

/** The client's side of the same interface. Errors are EngineErrors; streams are grpc-js's own. */
export type Client<S> = {
  [K in KnownKeys<S>]: S[K] extends handleUnaryCall<infer Req, infer Res>
    ? (request: Req, settings?: CallSettings) => Promise<Res>
    : S[K] extends handleServerStreamingCall<infer Req, infer Res>
      ? (request: Req, settings?: CallSettings) => ClientReadableStream<Res>
      : S[K] extends handleClientStreamingCall<infer Req, infer Res>
        ? (settings?: CallSettings) => { stream: ClientWritableStream<Req>; response: Promise<Res> }
        : S[K] extends handleBidiStreamingCall<infer Req, infer Res>
          ? (settings?: CallSettings) => ClientDuplexStream<Req, Res>
          : never;
};
