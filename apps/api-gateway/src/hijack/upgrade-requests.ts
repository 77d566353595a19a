import { IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf } from '@gantry/shared/errors';
import { MAX_JSON_BYTES } from '../routing/json-body';
import { cutChunkedBody, cutSizedBody, type CutBody } from './cut-body';

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
    const refuse = (status: number, message: string) => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(`${JSON.stringify({ message })}\n`);
    };
    const cut = bodyOf(request);
    if (cut === undefined) refuse(411, 'an upgrade request needs a short body');
    else
      receiveBody(socket, head, cut, refuse, ({ body, rest }) => {
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

/** Those that have no body. Node's clients announce one in chunks all the same, and may never end it. */
const WITHOUT_BODY = /\/(attach|session|grpc)(\?|$)/;
const LAST_CHUNK = '0\r\n\r\n';

/** How the body ends among the bytes after the header; nothing where it would be too long. */
function bodyOf({ headers, url = '' }: IncomingMessage): CutBody | undefined {
  if (headers['transfer-encoding'] === undefined) {
    const length = Number(headers['content-length'] ?? 0);
    return length <= MAX_JSON_BYTES ? cutSizedBody(length) : undefined;
  }
  if (!WITHOUT_BODY.test(url)) return cutChunkedBody(MAX_JSON_BYTES);
  return (bytes) => cutSizedBody(0)(bytes.subarray(bytes.indexOf(LAST_CHUNK) === 0 ? LAST_CHUNK.length : 0));
}

function receiveBody(
  socket: Socket,
  head: Buffer,
  cut: CutBody,
  refuse: (status: number, message: string) => void,
  done: (parts: { body: Buffer; rest: Buffer }) => void,
): void {
  let received = Buffer.alloc(0);
  const onData = (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    let parts: ReturnType<CutBody>;
    try {
      parts = cut(received);
    } catch (error) {
      socket.removeListener('data', onData);
      refuse(400, messageOf(error));
      return;
    }
    if (parts === undefined) return;
    socket.removeListener('data', onData);
    socket.pause();
    done(parts);
  };
  socket.on('data', onData);
  onData(head);
}
