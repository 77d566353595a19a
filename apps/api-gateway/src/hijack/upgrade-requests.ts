import { IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { MAX_JSON_BYTES } from '../routing/json-body';

/** What an upgrade request left behind: bytes that the client sent after its request, before any answer. */
const earlyBytes = new WeakMap<IncomingMessage, Buffer>();

export const isUpgradeRequest = (request: IncomingMessage): boolean => earlyBytes.has(request);
export const earlyBytesOf = (request: IncomingMessage): Buffer => earlyBytes.get(request) ?? Buffer.alloc(0);

/**
 * Makes requests with an `Upgrade` header go the way of all others: Node takes them out of its HTTP machinery, body and
 * all, so the body is cut off the connection here, and an answer is tied to the socket. An endpoint that does not hijack
 * just answers (`curl --http2` asks everything with `Upgrade: h2c`), and the connection ends.
 */
export function routeUpgradeRequests(server: Server, listener: RequestListener): void {
  server.on('upgrade', (upgrade: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => {}); // a client that went away; `close` follows
    const request = sameHead(upgrade, socket);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => {
      response.detachSocket(socket);
      socket.end();
    });
    const length = Number(request.headers['content-length'] ?? 0);
    if (request.headers['transfer-encoding'] !== undefined || !(length <= MAX_JSON_BYTES)) {
      response.writeHead(411, { 'Content-Type': 'application/json' });
      response.end(
        `${JSON.stringify({ message: 'an upgrade request needs a short body of known length' })}\n`,
      );
      return;
    }
    cutBody(socket, head, length, (body, rest) => {
      if (body.length > 0) request.push(body);
      request.push(null);
      earlyBytes.set(request, rest);
      listener(request, response);
    });
  });
}

/** Node has ended the body of the request that it took for an upgrade: this one can be given what was cut off. */
function sameHead(upgrade: IncomingMessage, socket: Socket): IncomingMessage {
  const request = new IncomingMessage(socket);
  request.method = upgrade.method;
  request.url = upgrade.url;
  request.httpVersion = upgrade.httpVersion;
  request.httpVersionMajor = upgrade.httpVersionMajor;
  request.httpVersionMinor = upgrade.httpVersionMinor;
  request.headers = upgrade.headers;
  request.rawHeaders = upgrade.rawHeaders;
  request.complete = true; // or the end of the body would count as an abort
  return request;
}

function cutBody(
  socket: Socket,
  head: Buffer,
  length: number,
  done: (body: Buffer, rest: Buffer) => void,
): void {
  if (head.length >= length) {
    socket.pause();
    done(head.subarray(0, length), head.subarray(length));
    return;
  }
  let received = head;
  const onData = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < length) return;
    socket.removeListener('data', onData);
    socket.pause();
    done(received.subarray(0, length), received.subarray(length));
  };
  socket.on('data', onData);
}
