import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Answers what a connection asks one after the other, as dockerd does: Node begins with a pipelined request at once. */
export class RequestsInOrder {
  private readonly latest = new WeakMap<Socket, ServerResponse>();

  constructor(private readonly application: RequestListener) {}

  readonly listener = (
    request: IncomingMessage,
    response: ServerResponse<IncomingMessage> & { req: IncomingMessage },
  ): void => {
    const before = this.latest.get(request.socket);
    this.latest.set(request.socket, response);
    if (before === undefined || before.writableFinished) this.application(request, response);
    else before.once('close', () => this.application(request, response));
  };

  /** What the connection has yet to be given. */
  unfinished(socket: Socket): ServerResponse | undefined {
    const response = this.latest.get(socket);
    return response?.writableFinished ? undefined : response;
  }
}
