import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { join } from 'node:path';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import {
  type Metadata,
  type SessionAddress,
  type SessionConnection,
  SESSION_CALLS,
  SESSION_HEADER,
} from '@gantry/shared/buildkit';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { BuildSessions } from './build-sessions';
import { SessionPlaces } from './session-places';

const OFFERED: readonly string[] = Object.values(SESSION_CALLS);
const UNAVAILABLE = '14';
const UNIMPLEMENTED = '12';

/**
 * Carries calls of image-services and other gateways to the clients that are connected to this gateway: a build asks for its secrets when a step
 * needs them, so that they are nowhere before and nowhere after. One unix socket, for root, in the run directory.
 */
@Injectable()
export class SessionRelay implements OnModuleDestroy {
  private server?: Promise<{ server: Http2Server; socket: string }>;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(BuildSessions) private readonly sessions: BuildSessions,
    @Inject(SessionPlaces) private readonly places: SessionPlaces,
  ) {}

  /** undefined: image-service is on another host, from where no session can be reached. */
  async addressOf(sessionId: string): Promise<SessionAddress | undefined> {
    if (!this.config.addresses.imageData.startsWith('unix://')) return undefined;
    return { socket: this.places.socketOf(sessionId) ?? (await this.socket()), id: sessionId };
  }

  /** Lets other gateways find a session of this one, until it is withdrawn. */
  async announce(sessionId: string): Promise<void> {
    this.places.announce(sessionId, await this.socket());
  }

  private async socket(): Promise<string> {
    this.server ??= this.listen();
    return (await this.server).socket;
  }

  async onModuleDestroy(): Promise<void> {
    const open = await this.server;
    open?.server.close();
    if (open) rmSync(open.socket, { force: true });
  }

  private async listen(): Promise<{ server: Http2Server; socket: string }> {
    const { directory } = this.places;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(directory)) {
      // Of gateways that did not live to remove theirs.
      const isAlive = existsSync(join('/proc', name.replace('.sock', '')));
      if (!name.endsWith('.sock')) continue;
      if (!isAlive || name === `${process.pid}.sock`) rmSync(join(directory, name), { force: true });
    }
    this.places.sweep();
    const socket = join(directory, `${process.pid}.sock`);
    const server = createServer();
    const carry = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) =>
      this.carry(stream, headers, raw);
    server.on('stream', carry);
    server.on('sessionError', () => {}); // its streams close
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socket, resolve);
    });
    chmodSync(socket, 0o600);
    return { server, socket };
  }

  private carry(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: string[]): void {
    stream.on('error', () => {}); // `close` follows
    const path = String(headers[':path']);
    const session = this.sessions.connectedAs(String(headers[SESSION_HEADER]));
    if (!OFFERED.includes(path)) return answer(stream, UNIMPLEMENTED, `unknown method ${path}`);
    if (!session) return answer(stream, UNAVAILABLE, 'the client of the build has gone');
    joinCalls(stream, session, path, metadataOf(raw));
  }
}

/** Joins a call to the client's own. */
function joinCalls(
  stream: ServerHttp2Stream,
  session: SessionConnection,
  path: string,
  metadata: Metadata,
): void {
  const call = session.request(path, metadata);
  let trailers: OutgoingHttpHeaders = {
    'grpc-status': UNAVAILABLE,
    'grpc-message': 'the client of the build has gone',
  };
  const over = new Promise<void>((resolve) => {
    call.once('trailers', (received) => {
      trailers = withoutPseudo(received);
      resolve();
    });
    call.once('close', resolve);
  });
  call.once('response', (received) => {
    if (stream.destroyed) return;
    const isAll = received['grpc-status'] !== undefined;
    stream.respond(
      { ':status': 200, ...withoutPseudo(received) },
      { endStream: isAll, waitForTrailers: !isAll },
    );
    if (isAll) return;
    stream.once(
      'wantTrailers',
      () => void over.then(() => stream.destroyed || stream.sendTrailers(trailers)),
    );
    call.pipe(stream);
  });
  call.on('error', () => {}); // `close` follows
  call.once('close', () => {
    if (!stream.headersSent) answer(stream, UNAVAILABLE, 'the client of the build has gone');
  });
  stream.once('close', () => call.close(constants.NGHTTP2_CANCEL));
  stream.pipe(call);
}

function answer(stream: ServerHttp2Stream, code: string, message: string): void {
  if (stream.destroyed) return;
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': code,
      'grpc-message': encodeURIComponent(message),
    },
    { endStream: true },
  );
}

const withoutPseudo = (headers: IncomingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(':')));

/** What the caller says of its call, without what belongs to its connection. As it came: Node joins the values of a name. */
function metadataOf(raw: string[]): Metadata {
  const metadata: Record<string, string[]> = {};
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = raw.slice(at, at + 2);
    if (name.startsWith(':') || ['te', 'content-type', SESSION_HEADER].includes(name)) continue;
    (metadata[name] ??= []).push(value);
  }
  return metadata;
}
