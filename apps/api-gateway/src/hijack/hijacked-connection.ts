import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { STANDARD_HEADERS } from '../routing/api-version';
import type { Response } from '../routing/http-messages';
import { earlyBytesOf, isUpgradeRequest } from './upgrade-requests';
import { WebSocketStream } from './websocket-stream';

/** A connection on its way from HTTP to a raw stream. Until `open`, the request can still be answered in the ordinary way. */
export interface HijackableConnection {
  /** Ends HTTP on the connection: sends the header (101 where the client asked for an upgrade, else 200). */
  open(stream: { contentType?: string; upgrade?: string }): { socket: Socket; early: Buffer };
  /** The same for a WebSocket. `accept`: the value of Sec-WebSocket-Accept. */
  openWebSocket(accept: string): WebSocketStream;
}

/**
 * Takes the connection from Node's HTTP parser, which would answer 400 to the first bytes of stdin. From here on nothing
 * is read until the stream is opened, and the connection closes after the answer, whatever it is.
 */
export function hijackable(request: IncomingMessage, response: Response): HijackableConnection {
  const socket = request.socket;
  const parsed = !isUpgradeRequest(request);
  // Without `Connection: Upgrade` it is none to Node, but to dockerd.
  const upgrade = !parsed || request.headers.upgrade !== undefined;
  if (parsed) {
    // A listener for `data` makes Node stop feeding the parser from the handle directly.
    socket.on('data', () => {});
    socket.removeAllListeners('data');
    socket.removeAllListeners('end'); // HTTP takes the half-close of a client for an abort
    socket.pause();
  }
  socket.setTimeout(0);
  socket.setNoDelay?.(true);
  response.shouldKeepAlive = false;
  const begin = (lines: string[]) => {
    response.detachSocket(socket);
    response.emit('close'); // as far as HTTP goes, the request is over
    socket.write(header(lines));
  };
  return {
    open({ contentType, upgrade: protocol = 'tcp' }) {
      const type = contentType === undefined ? [] : [`Content-Type: ${contentType}`];
      begin(
        upgrade
          ? ['HTTP/1.1 101 UPGRADED', ...type, 'Connection: Upgrade', `Upgrade: ${protocol}`]
          : ['HTTP/1.1 200 OK', ...type],
      );
      return { socket, early: earlyBytesOf(request) };
    },
    openWebSocket(accept) {
      begin([
        'HTTP/1.1 101 Switching Protocols',
        'Upgrade: websocket',
        'Connection: Upgrade',
        `Sec-WebSocket-Accept: ${accept}`,
      ]);
      return new WebSocketStream(socket, earlyBytesOf(request));
    },
  };
}

function header(lines: string[]): string {
  const standard = Object.entries(STANDARD_HEADERS).map(([name, value]) => `${name}: ${value}`);
  return `${[...lines, ...standard].join('\r\n')}\r\n\r\n`;
}
