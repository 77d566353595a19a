import { type MethodDefinition, type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Answer, Call } from '@gantry/proto/calls';
import { kindOf, toGrpcStatus } from '../errors/grpc-status';
import { Caller } from './caller';
import type { CallContext } from './method-types';

interface UnaryMethod {
  definition: MethodDefinition<unknown, unknown>;
  body: (request: unknown, context: CallContext) => Promise<unknown>;
}

/** The unary methods of a server, served on streams of calls (`gantry.calls.v1`); the client's side is `CallExchange`. */
export class ExchangeServer {
  private readonly methods = new Map<string, UnaryMethod>();
  private readonly clients = new Set<ClientStream>();

  /** `onError` hears of every error that a method threw. */
  constructor(private readonly onError: (method: string, error: unknown) => void) {}

  add(definition: UnaryMethod['definition'], body: UnaryMethod['body']): void {
    this.methods.set(definition.path, { definition, body });
  }

  /** Serves one client until it leaves, or until `drain`. */
  serve(stream: ServerDuplexStream<Call, Answer>): void {
    const client = new ClientStream(stream, (call, caller) => this.answer(call, caller));
    this.clients.add(client);
    client.onEnd = () => this.clients.delete(client);
  }

  /** Begins no more calls and ends each stream when all that runs of it is answered. What was not begun the client asks again. */
  drain(): void {
    for (const client of this.clients) client.drain();
  }

  private async answer({ id, method, request }: Call, caller: Caller): Promise<Answer> {
    const known = this.methods.get(method);
    if (!known) return failure(id, status.UNIMPLEMENTED, `no such method: ${method}`, '');
    try {
      const response = await known.body(known.definition.requestDeserialize(request), caller);
      return {
        id,
        code: status.OK,
        details: '',
        kind: '',
        response: known.definition.responseSerialize(response),
      };
    } catch (error) {
      this.onError(method, error);
      const { code, details } = toGrpcStatus(error);
      return failure(id, code, details, kindOf(error));
    }
  }
}

const failure = (id: number, code: status, details: string, kind: string): Answer => ({
  id,
  code,
  details,
  kind,
  response: Buffer.alloc(0),
});

/** One client's stream, and what runs of it. */
class ClientStream {
  onEnd: () => void = () => {};
  private readonly running = new Map<number, Caller>();
  private draining = false;
  private gone = false;

  constructor(
    private readonly stream: ServerDuplexStream<Call, Answer>,
    private readonly answer: (call: Call, caller: Caller) => Promise<Answer>,
  ) {
    stream.on('error', () => {}); // a client that went away: `cancelled` tells
    stream.on('cancelled', () => this.leave());
    stream.on('end', () => this.drain());
    stream.on('data', (call: Call) => this.take(call));
  }

  drain(): void {
    this.draining = true;
    this.endWhenIdle();
  }

  private take(call: Call): void {
    if (call.method === '') {
      this.running.get(call.id)?.leave();
      return;
    }
    if (this.draining) return;
    const caller = new Caller();
    this.running.set(call.id, caller);
    void this.answer(call, caller).then((answer) => {
      this.running.delete(call.id);
      if (this.gone) return;
      this.stream.write(answer);
      this.endWhenIdle();
    });
  }

  private endWhenIdle(): void {
    if (!this.draining || this.running.size > 0 || this.gone) return;
    this.gone = true;
    this.stream.end();
    this.onEnd();
  }

  private leave(): void {
    this.gone = true;
    for (const caller of this.running.values()) caller.leave();
    this.onEnd();
  }
}
