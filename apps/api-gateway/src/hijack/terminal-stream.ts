import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { Duplex } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import type { AttachRequest, AttachResponse, StartExecRequest } from '@gantry/proto/container';
import type { Output } from '@gantry/proto/common';
import { EngineError, internal, messageOf } from '@gantry/shared/errors';
import type { Response } from '../routing/http-messages';
import { drained } from '../streaming/back-pressure';
import { firstMessage } from '../streaming/first-message';
import { headRead } from './head-reading';
import { type HijackableConnection, hijackable } from './hijacked-connection';
import { frameHeader, streamContentType, SYSTEM_ERROR } from './stream-frames';
import { acceptKey } from './websocket-stream';

/** Attach and exec start speak alike: `start`, then stdin up; `started`, then output down. */
type TerminalCall =
  ClientDuplexStream<AttachRequest, AttachResponse> | ClientDuplexStream<StartExecRequest, AttachResponse>;

interface TerminalClient {
  request: IncomingMessage;
  response: Response;
  apiMinor: number;
  /** Wants a WebSocket: all output raw, as dockerd gives it there. */
  webSocket?: boolean;
}

/**
 * Joins the client's connection and a call of container-service, both ways with back-pressure:
 * - nothing goes to the client before `started`; an error that comes instead is an ordinary answer;
 * - the client's half-close ends stdin, output goes on;
 * - a client that goes away cancels the call; the end of the call closes the connection.
 * `messages` are those of `call`. Settles when it is all over. @throws EngineError before `started`.
 */
export async function joinTerminal(
  call: TerminalCall,
  messages: AsyncGenerator<AttachResponse, unknown>,
  client: TerminalClient,
): Promise<void> {
  const { socket } = client.request;
  const connection: HijackableConnection = hijackable(client.request, client.response);
  const accept = client.webSocket ? acceptKey(client.request) : undefined;
  const onGone = () => call.cancel();
  socket.once('close', onGone);
  try {
    const { message } = await firstMessage(messages);
    if (message?.$case !== 'started') throw internal('the stream began without its start');
    const { tty } = message.value;
    const stdin = call as ClientDuplexStream<StdinMessage, unknown>;
    if (accept !== undefined) {
      const stream = connection.openWebSocket(accept);
      sendStdin(stream, Buffer.alloc(0), stdin);
      return await sendOutput(messages, stream, true);
    }
    const { early } = connection.open({ contentType: streamContentType(tty, client.apiMinor) });
    await headRead(socket, client.request.headers['user-agent']);
    sendStdin(socket, early, stdin);
    await sendOutput(messages, socket, tty);
  } finally {
    socket.removeListener('close', onGone);
  }
}

type StdinMessage = { message: { $case: 'stdin'; value: Buffer } };

function sendStdin(socket: Duplex, early: Buffer, call: ClientDuplexStream<StdinMessage, unknown>): void {
  const send = (data: Buffer) => {
    if (call.destroyed || call.writableEnded) return;
    if (call.write({ message: { $case: 'stdin', value: data } })) return;
    socket.pause();
    call.once('drain', () => socket.resume());
  };
  if (early.length > 0) send(early);
  socket.on('data', send);
  socket.once('end', () => call.end());
  if (!call.writableNeedDrain) socket.resume();
}

async function sendOutput(
  messages: AsyncGenerator<AttachResponse, unknown>,
  socket: Duplex,
  tty: boolean,
): Promise<void> {
  try {
    for await (const { message } of messages) {
      if (message?.$case !== 'output') continue;
      sendPiece(message.value, socket, tty);
      await drained(socket);
      if (socket.destroyed) return;
    }
  } catch (error) {
    // The header is out. A stream with a hole in it must not look like one that ended, nor one that was cut off: the CLI
    // would take the exec for a success.
    if (error instanceof EngineError && error.kind === 'DataLoss') socket.destroy();
    else sendPiece({ stream: SYSTEM_ERROR, data: Buffer.from(messageOf(error)) }, socket, tty);
  } finally {
    endConnection(socket);
  }
}

function sendPiece(output: Output, socket: Duplex, tty: boolean): void {
  if (socket.destroyed) return;
  socket.cork();
  if (!tty) socket.write(frameHeader(output));
  socket.write(output.data);
  socket.uncork();
}

/** How long a client may take to hang up after the end of the stream. Milliseconds. */
const GOODBYE_MS = 2_000;

/**
 * Says goodbye and reads on until the client hangs up: closing over stdin that nobody read would reset the connection,
 * and the client could report that instead of the output.
 */
function endConnection(socket: Duplex): void {
  if (socket.destroyed) return;
  socket.removeAllListeners('data');
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), GOODBYE_MS);
  socket.once('close', () => clearTimeout(timer));
}
