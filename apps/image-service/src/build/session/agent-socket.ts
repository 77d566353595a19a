import { chmodSync, chownSync, closeSync, constants, openSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, basename } from 'node:path';
import { bytesMessage, bytesOf, type ClientSession } from './client-session';

export interface AgentSocketOptions {
  /** In a directory that nobody else changes. */
  path: string;
  /** The client's name for the agent. */
  id: string;
  uid: number;
  gid: number;
  mode: number;
}

/** A unix socket each connection to which is one to the SSH agent of the build's client. Returns what ends it. */
export async function openAgentSocket(
  session: ClientSession,
  { path, id, uid, gid, mode }: AgentSocketOptions,
): Promise<() => void> {
  const connections = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    forward(session, id, socket);
  });
  // By way of its directory, which stays open until the name is removed again: the name of a socket has to be short.
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  const close = (): void => {
    server.close(() => closeSync(directory));
    for (const socket of connections) socket.destroy();
  };
  try {
    await listenAt(server, `/proc/self/fd/${directory}/${basename(path)}`);
    chownSync(path, uid, gid);
    chmodSync(path, mode);
    return close;
  } catch (error) {
    close();
    throw error;
  }
}

function forward(session: ClientSession, id: string, socket: Socket): void {
  const call = session.agent(id);
  socket.on('error', () => {}); // `close` follows
  socket.once('close', () => call.cancel());
  socket.on('data', (data: Buffer) => {
    socket.pause();
    call.sendWhole(bytesMessage(data)).then(
      () => socket.resume(),
      () => socket.destroy(),
    );
  });
  socket.once('end', () => call.end());
  void answer(call.messages(), socket);
}

async function answer(messages: AsyncGenerator<Buffer>, socket: Socket): Promise<void> {
  try {
    for await (const message of messages) socket.write(bytesOf(message));
    socket.end();
  } catch {
    socket.destroy();
  }
}

function listenAt(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}
