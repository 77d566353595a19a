import { connect as connectSocket, type Socket } from 'node:net';
import { randomUUID } from 'node:crypto';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  PruneRequest,
  SolveRequest,
  SolveResponse,
  StatusRequest,
  StatusResponse,
  UsageRecord,
  type Vertex,
} from '@gantry/proto/buildkit';
import {
  type Definition,
  type Result,
  ReturnRequest,
  SolveRequest as BridgeRequest,
  SolveResponse as BridgeResponse,
} from '@gantry/proto/frontend';
import { Packet, Packet_PacketType as PacketType, Stat } from '@gantry/proto/session';
import { SessionConnection } from '@gantry/shared/buildkit';
import { type ClientServices, OfferedServices, type ReceivedFile } from './buildkit-services';

/** A file that the client offers; a directory where it has neither content nor target. */
export interface OfferedFile {
  path: string;
  content?: string;
  target?: string;
  executable?: boolean;
}

export interface BuildOutcome {
  error: string;
  vertexes: Map<string, Vertex>;
  log: string;
  /** Of all vertexes, each name once. */
  parts: string[];
  /** In short. */
  warnings: string[];
  response: Record<string, string>;
}

const BRIDGE = '/moby.buildkit.v1.frontend.LLBBridge';
const GO_DIRECTORY = 0x80000000;
const GO_SYMLINK = 0x08000000;
const DIFF_COPY = {
  path: '/moby.filesync.v1.FileSync/DiffCopy',
  requestStream: true,
  responseStream: true,
  requestSerialize: (packet: Packet) => Buffer.from(Packet.encode(packet).finish()),
  requestDeserialize: (bytes: Buffer) => Packet.decode(bytes),
  responseSerialize: (packet: Packet) => Buffer.from(Packet.encode(packet).finish()),
  responseDeserialize: (bytes: Buffer) => Packet.decode(bytes),
};

export interface WantedBuild extends Partial<ClientServices> {
  names?: string;
  attributes?: Record<string, string>;
  exporter?: string;
  /** Named contexts, by what the client calls them. */
  directories?: Record<string, OfferedFile[]>;
  cacheExports?: { type: string; attrs: Record<string, string> }[];
  /** The client runs the frontend itself, as buildx does, with results of other builds. */
  inputs?: Record<string, Definition>;
  /** The gateway that the session is opened at, where that is another one. */
  sessionAt?: string;
}

/** Builds as buildx does: a session that offers files, a call that solves, and one that watches. */
export async function buildWithSession(
  socketPath: string,
  files: OfferedFile[],
  wanted: WantedBuild = {},
): Promise<
  BuildOutcome & {
    excluded: string[];
    received: Buffer;
    files: ReceivedFile[];
    definition?: Definition;
    metadata: Record<string, Buffer>;
  }
> {
  const sessionId = randomUUID();
  const excluded: string[] = [];
  const offered = new OfferedServices(wanted, wanted.exporter === 'local');
  const server = new Server();
  offered.addTo(server);
  server.addService(
    { diffCopy: DIFF_COPY },
    {
      diffCopy: (call: ServerDuplexStream<Packet, Packet>) => {
        const directory = wanted.directories?.[String(call.metadata.get('dir-name')[0])];
        if (directory) return sendFiles(call, directory);
        const included = call.metadata.get('include-patterns').map(String);
        // Node joins the values of a header.
        excluded.push(...call.metadata.get('exclude-patterns').flatMap((value) => String(value).split(', ')));
        sendFiles(call, included.length === 0 ? files : files.filter(({ path }) => included.includes(path)));
      },
    },
  );
  const session = await hijack(wanted.sessionAt ?? socketPath, '/session', {
    'X-Docker-Expose-Session-Uuid': sessionId,
  });
  server.createConnectionInjector(ServerCredentials.createInsecure()).injectConnection(session);
  const control = new SessionConnection(await hijack(socketPath, '/grpc', {}));
  try {
    const ref = randomUUID();
    const watching = watch(control, ref);
    const attributes = { filename: 'Dockerfile', ...wanted.attributes };
    const request = SolveRequest.fromPartial({
      ref,
      session: sessionId,
      exporter: wanted.exporter ?? 'moby',
      exporterAttrs: { name: wanted.names ?? '' },
      cache: { exports: wanted.cacheExports ?? [] },
      ...(!wanted.inputs && { frontend: 'dockerfile.v0', frontendAttrs: attributes }),
    });
    const bridged = wanted.inputs && solveFrontend(control, ref, attributes, wanted.inputs);
    const solved = await control
      .ask('/moby.buildkit.v1.Control/Solve', SolveRequest.encode(request).finish())
      .then(
        (bytes) => ({ error: '', response: SolveResponse.decode(bytes).exporterResponse }),
        (error: Error) => ({ error: error.message, response: {} }),
      );
    const result = await bridged;
    return {
      ...(await watching),
      ...solved,
      definition: result?.ref?.def,
      metadata: result?.metadata ?? {},
      excluded,
      received: offered.received(),
      files: offered.files,
    };
  } finally {
    control.close();
    server.forceShutdown();
    session.destroy();
  }
}

/** What the client gets is the build's result, and an input of other builds. */
async function solveFrontend(
  control: SessionConnection,
  ref: string,
  frontendOpt: Record<string, string>,
  frontendInputs: Record<string, Definition>,
): Promise<Result | undefined> {
  const build = { 'buildkit-controlapi-buildid': ref };
  const request = BridgeRequest.encode({ frontend: 'dockerfile.v0', frontendOpt, frontendInputs }).finish();
  const { result, error } = await control.ask(`${BRIDGE}/Solve`, request, build).then(
    (bytes) => ({ result: BridgeResponse.decode(bytes).result, error: undefined }),
    (failure: Error) => ({ result: undefined, error: { code: 2, message: failure.message, details: [] } }),
  );
  await control.ask(`${BRIDGE}/Return`, ReturnRequest.encode({ result, error }).finish(), build);
  return result;
}

/** Prunes the cache. Returns the ids of what went. @throws what the engine says */
export async function pruneCache(socketPath: string, filter: string[]): Promise<string[]> {
  const control = new SessionConnection(await hijack(socketPath, '/grpc', {}));
  try {
    const call = control.open('/moby.buildkit.v1.Control/Prune', {});
    call.send(PruneRequest.encode(PruneRequest.fromPartial({ all: true, filter })).finish());
    call.end();
    const ids: string[] = [];
    for await (const message of call.messages()) ids.push(UsageRecord.decode(message).id);
    return ids;
  } finally {
    control.close();
  }
}

async function watch(
  control: SessionConnection,
  ref: string,
): Promise<Pick<BuildOutcome, 'vertexes' | 'log' | 'parts' | 'warnings'>> {
  const call = control.open('/moby.buildkit.v1.Control/Status', {});
  call.send(StatusRequest.encode({ ref }).finish());
  call.end();
  const vertexes = new Map<string, Vertex>();
  const warnings: string[] = [];
  const parts = new Set<string>();
  let log = '';
  for await (const message of call.messages()) {
    const update = StatusResponse.decode(message);
    for (const vertex of update.vertexes) vertexes.set(vertex.name, vertex);
    for (const { id } of update.statuses) parts.add(id);
    for (const { msg } of update.logs) log += msg.toString();
    warnings.push(...update.warnings.map(({ short }) => short.toString()));
  }
  return { vertexes, log, parts: [...parts], warnings };
}

function sendFiles(call: ServerDuplexStream<Packet, Packet>, files: OfferedFile[]): void {
  const send = (packet: Partial<Packet>) => call.write(Packet.fromPartial(packet));
  for (const { path, content, target, executable } of files) {
    const type = target !== undefined ? GO_SYMLINK : content === undefined ? GO_DIRECTORY : 0;
    const stat = Stat.fromPartial({
      path,
      mode: type + (executable || content === undefined ? 0o755 : 0o644),
      size: Buffer.byteLength(content ?? ''),
      linkname: target ?? '',
    });
    send({ type: PacketType.PACKET_STAT, stat: Buffer.from(Stat.encode(stat).finish()) });
  }
  send({ type: PacketType.PACKET_STAT });
  call.on('data', ({ type, id }: Packet) => {
    if (type === PacketType.PACKET_FIN) {
      send({ type: PacketType.PACKET_FIN });
      call.end();
    } else if (type === PacketType.PACKET_REQ) {
      send({ type: PacketType.PACKET_DATA, id, data: Buffer.from(files[id]?.content ?? '') });
      send({ type: PacketType.PACKET_DATA, id });
    }
  });
  call.on('error', () => {}); // the builder has what it wants
}

/** The connection after the answer to an upgrade to HTTP/2. */
function hijack(socketPath: string, path: string, headers: Record<string, string>): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(socketPath);
    const lines = Object.entries({ Host: 'd', Connection: 'Upgrade', Upgrade: 'h2c', ...headers });
    socket.write(
      `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
    let head = '';
    socket.once('error', reject);
    socket.on('data', function receive(chunk: Buffer) {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.removeListener('data', receive);
      socket.pause();
      if (!head.startsWith('HTTP/1.1 101 ')) return reject(new Error(head));
      const rest = Buffer.from(head.slice(end + 4), 'latin1');
      if (rest.length > 0) socket.unshift(rest);
      resolve(socket);
    });
  });
}
