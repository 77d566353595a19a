import { IncomingMessage, STATUS_CODES, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { RequestsInOrder } from './requests-in-order';

interface ParserError extends Error {
  code?: string;
  /** What could not be parsed. */
  rawPacket?: Buffer;
}

/** Of those that mean something else than 400. */
const STATUS: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** The whole head of a request without a body whose lines end as a shell's `echo` ends them. */
const BARE_LINES =
  /^(GET|HEAD) (\/[!-~]*) HTTP\/1\.[01]\r?\n((?:[!#-'*+.^-z|~\w-]+:[\t -~]*\r?\n)*)\r?\n\r?\n?$/;

/**
 * Answers what is no request in Go's words. One that only lacks carriage returns is answered all the same, where it is all that
 * the connection said: so it comes from `echo -e "GET /info HTTP/1.0\r\n" | nc -U`.
 */
export function answerMalformedRequests(server: Server, requests: RequestsInOrder): void {
  server.on('clientError', (error: ParserError, connection) => {
    const socket = connection as Socket;
    const unfinished = requests.unfinished(socket);
    if (unfinished?.req.complete) {
      // What was asked before is answered, whatever came behind it.
      unfinished.shouldKeepAlive = false;
      return;
    }
    if (!socket.writable || unfinished?.headersSent) return void socket.destroy();
    const request = bareRequest(error, socket);
    if (request) answer(request, requests);
    else refuse(socket, STATUS[error.code ?? ''] ?? 400);
  });
}

/** Tells who forgot about TLS of it; a bare end of the connection would say nothing. */
export function answerPlainHttp(server: Server): void {
  server.on('tlsClientError', (error: NodeJS.ErrnoException, connection: TLSSocket) => {
    if (error.code !== 'ERR_SSL_HTTP_REQUEST') return;
    const { _parent: plain } = connection as unknown as { _parent?: Socket };
    plain?.write('HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n');
    plain?.destroySoon();
  });
}

function refuse(socket: Socket, status: number): void {
  const reason = `${status} ${STATUS_CODES[status]}`;
  const head = 'Content-Type: text/plain; charset=utf-8\r\nConnection: close';
  socket.write(`HTTP/1.1 ${reason}\r\n${head}\r\n\r\n${reason}`);
  socket.destroySoon();
}

function bareRequest({ rawPacket }: ParserError, socket: Socket): IncomingMessage | undefined {
  if (rawPacket === undefined || socket.bytesRead !== rawPacket.length) return undefined;
  const [, method, url, lines = ''] = BARE_LINES.exec(rawPacket.toString('latin1')) ?? [];
  if (method === undefined) return undefined;
  const request = new IncomingMessage(socket);
  Object.assign(request, { method, url, httpVersion: '1.0', httpVersionMajor: 1, httpVersionMinor: 0 });
  for (const line of lines.split(/\r?\n/).filter(Boolean)) {
    const [, name = '', value = ''] = /^([^:]*):[\t ]*(.*?)[\t ]*$/.exec(line) ?? [];
    request.rawHeaders.push(name, value);
    request.headers[name.toLowerCase()] ??= value;
  }
  request.complete = true;
  request.push(null);
  return request;
}

function answer(request: IncomingMessage, requests: RequestsInOrder): void {
  const { socket } = request;
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => {
    response.detachSocket(socket);
    socket.destroySoon();
  });
  requests.listener(request, response as ServerResponse<IncomingMessage> & { req: IncomingMessage });
}
