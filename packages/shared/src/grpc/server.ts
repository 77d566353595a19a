import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  Server,
  type handleUnaryCall,
  type MethodDefinition,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type CallServiceServer, CallServiceService } from '@gantry/proto/calls';
import type { RpcTls } from '../config';
import { toGrpcStatus } from '../errors/grpc-status';
import { grpcTarget, serverCredentials } from './address';
import { Caller } from './caller';
import { ExchangeServer } from './exchange-server';
import type { Implementation, ServiceDefinitionOf } from './method-types';

/** Largest message: inspect documents and lists of thousands of containers. Bytes. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

interface Registration {
  definition: ServiceDefinitionOf;
  implementation: UntypedServiceImplementation;
}

type OnError = (method: string, error: unknown) => void;

/** Ties a ts-proto service (`XService`) to the object that implements it. */
export function registration<S>(
  definition: ServiceDefinitionOf,
  implementation: Implementation<S>,
): Registration {
  return { definition, implementation: implementation as unknown as UntypedServiceImplementation };
}

/**
 * One gRPC server on `address`. `onError` hears of every error that a method threw, before it goes out as a status.
 * A stale unix socket is replaced; the new one is for the owner only.
 */
export class GrpcServer {
  private readonly server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  });
  private readonly exchanges: ExchangeServer;

  constructor(
    private readonly address: string,
    private readonly tls: RpcTls | undefined,
    services: Registration[],
    private readonly onError: OnError = () => {},
  ) {
    this.exchanges = new ExchangeServer(onError);
    for (const service of services) this.add(service);
    const calls: CallServiceServer = { exchange: (stream) => this.exchanges.serve(stream) };
    this.server.addService(CallServiceService, calls);
  }

  async listen(): Promise<void> {
    const path = this.address.startsWith('unix://') ? this.address.slice('unix://'.length) : undefined;
    if (path) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      rmSync(path, { force: true });
    }
    await new Promise<void>((resolve, reject) => {
      this.server.bindAsync(grpcTarget(this.address), serverCredentials(this.address, this.tls), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    if (path) chmodSync(path, 0o600);
  }

  /** Lets running calls end for `graceMs` milliseconds, then ends them. */
  async close(graceMs = 1_000): Promise<void> {
    await new Promise<void>((resolve) => {
      const force = setTimeout(() => {
        this.server.forceShutdown();
        resolve();
      }, graceMs);
      this.server.tryShutdown(() => {
        clearTimeout(force);
        resolve();
      });
      this.exchanges.drain();
    });
  }

  private add({ definition, implementation }: Registration): void {
    const handlers: UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries(definition)) {
      const body = (implementation[name] as unknown as (...args: unknown[]) => Promise<unknown>).bind(
        implementation,
      );
      handlers[name] = this.handler(method, body) as handleUnaryCall<unknown, unknown>;
      if (!method.requestStream && !method.responseStream) this.exchanges.add(method, body);
    }
    this.server.addService(definition, handlers);
  }

  private handler(
    method: MethodDefinition<unknown, unknown>,
    body: (...args: unknown[]) => Promise<unknown>,
  ): unknown {
    const failed = (error: unknown) => {
      this.onError(method.path, error);
      return toGrpcStatus(error);
    };
    if (!method.responseStream) {
      return (
        call: ServerUnaryCall<unknown, unknown> | ServerReadableStream<unknown, unknown>,
        done: sendUnaryData<unknown>,
      ) => {
        const args = 'request' in call && !method.requestStream ? [call.request, callerOf(call)] : [call];
        body(...args).then(
          (response) => done(null, response),
          (error: unknown) => done(failed(error)),
        );
      };
    }
    return (call: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>) => {
      call.on('error', () => {}); // a peer that went away; the method sees `cancelled`
      body(call).then(
        () => call.end(),
        // Not destroy(): grpc-js sends the status when the stream ends, which a destroyed one never does.
        (error: unknown) => call.emit('error', Object.assign(new Error('call failed'), failed(error))),
      );
    };
  }
}

function callerOf(call: ServerUnaryCall<unknown, unknown>): Caller {
  const caller = new Caller();
  call.on('cancelled', () => caller.leave());
  return caller;
}
