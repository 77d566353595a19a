import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Response } from 'express';
import { STANDARD_HEADERS } from '../routing/api-version';
import { earlyBytesOf, isUpgradeRequest } from './upgrade-requests';

/** A connection on its way from HTTP to a raw stream. Until `open`, the request can still be answered in the ordinary way. */
export interface HijackableConnection {
  /** Ends HTTP on the connection: sends the header (101 where the client asked for an upgrade, else 200). */
  open(contentType: string): { socket: Socket; early: Buffer };
}

/**
 * Takes the connection from Node's HTTP parser, which would answer 400 to the first bytes of stdin. From here on nothing
 * is read until the stream is opened, and the connection closes after the answer, whatever it is.
 */
export function hijackable(request: IncomingMessage, response: Response): HijackableConnection {
  const socket = request.socket;
  const upgrade = isUpgradeRequest(request);
  if (!upgrade) {
    // A listener for `data` makes Node stop feeding the parser from the handle directly.
    socket.on('data', () => {});
    socket.removeAllListeners('data');
    socket.removeAllListeners('end'); // HTTP takes the half-close of a client for an abort
    socket.pause();
  }
  socket.setTimeout(0);
  socket.setNoDelay?.(true);
  response.shouldKeepAlive = false;
  return {
    open(contentType) {
      response.detachSocket(socket);
      response.emit('close'); // as far as HTTP goes, the request is over
      socket.write(header(upgrade, contentType));
      return { socket, early: earlyBytesOf(request) };
    },
  };
}

function header(upgrade: boolean, contentType: string): string {
  const lines = upgrade
    ? ['HTTP/1.1 101 UPGRADED', `Content-Type: ${contentType}`, 'Connection: Upgrade', 'Upgrade: tcp']
    : ['HTTP/1.1 200 OK', `Content-Type: ${contentType}`];
  for (const [name, value] of Object.entries(STANDARD_HEADERS)) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
