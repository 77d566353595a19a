import { type FileHandle, open } from 'node:fs/promises';
import { constants, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { Packet, Packet_PacketType as PacketType, Stat } from '@gantry/proto/session';
import type { SessionCall } from '@gantry/shared/buildkit';
import { invalidArgument, unavailable } from '@gantry/shared/errors';
import type { FileStatus, Linux } from '@gantry/shared/linux';

type Port = Pick<Linux, 'files'>;

const AT_FDCWD = -100;
const PIECE = 256 * 1024;
const MOD_TIME_FIELD = 6;
const CAPABILITY = 'security.capability';
const { S_IFDIR, S_IFMT, S_IFLNK, S_IFREG, S_IFBLK, S_IFCHR, S_IFIFO, O_RDONLY, O_NOFOLLOW } = constants;
/** Go's os.FileMode of a type of file; what is missing here is left out. */
const TYPES: Readonly<Record<number, number>> = {
  [S_IFREG]: 0,
  [S_IFDIR]: 0x80000000,
  [S_IFLNK]: 0x08000000,
  [S_IFBLK]: 0x04000000,
  [S_IFCHR]: 0x04200000,
  [S_IFIFO]: 0x02000000,
};

/** Files below `root`; a client finds them in `directory`, empty: where it wants them. */
export interface SentTree {
  directory: string;
  root: string;
}

/**
 * Sends trees of files, which nobody changes, to a client that makes them where it wants them (fsutil's Send): all are
 * described first, then the client asks for the contents of those that it has not.
 * @throws EngineError with what the client says
 */
export async function sendTree(
  linux: Port,
  trees: SentTree[],
  call: SessionCall,
  signal: AbortSignal,
): Promise<void> {
  const asked = new Asked(call.messages());
  const files = new Map<number, string>();
  let id = 0;
  for (const tree of trees) {
    for (const { path, stat, isFile } of describe(linux, tree)) {
      signal.throwIfAborted();
      if (isFile) files.set(id, path);
      id += 1;
      await send(call, { type: PacketType.PACKET_STAT, stat });
    }
  }
  await send(call, { type: PacketType.PACKET_STAT });
  for (let packet = await asked.next(); packet; packet = await asked.next()) {
    signal.throwIfAborted();
    if (packet.type === PacketType.PACKET_REQ) {
      const path = files.get(packet.id);
      if (path === undefined) throw invalidArgument(`invalid file id ${packet.id}`);
      await sendFile(call, packet.id, path);
    } else if (packet.type === PacketType.PACKET_FIN) {
      await send(call, { type: PacketType.PACKET_FIN });
      call.end();
    }
  }
}

/** What the client asks for, read at all times: it may ask before it has heard all. */
class Asked {
  private readonly waiting: Packet[] = [];
  private wake: () => void = () => {};
  private ended: { error?: unknown } | undefined;

  constructor(messages: AsyncGenerator<Buffer>) {
    void this.read(messages);
  }

  /** undefined: the client is content. */
  async next(): Promise<Packet | undefined> {
    while (this.waiting.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    const packet = this.waiting.shift();
    if (!packet && this.ended?.error) throw this.ended.error;
    return packet;
  }

  private async read(messages: AsyncGenerator<Buffer>): Promise<void> {
    try {
      for await (const message of messages) {
        const packet = Packet.decode(message);
        if (packet.type === PacketType.PACKET_ERR) throw unavailable(packet.data.toString('utf8'));
        this.waiting.push(packet);
        this.wake();
      }
      this.ended = {};
    } catch (error) {
      this.ended = { error };
    }
    this.wake();
  }
}

interface Described {
  /** On the host. */
  path: string;
  /** {@link Stat}, encoded. */
  stat: Buffer;
  /** Whether it has content that can be asked for: a FIFO or a device is never opened. */
  isFile: boolean;
}

/** In the order in which Go walks a tree: a directory before what is in it, names by their bytes. */
function* describe(linux: Port, { directory: top, root }: SentTree): Generator<Described> {
  const linked = new Map<string, string>();
  function* below(directory: string): Generator<Described> {
    const names = readdirSync(join(root, directory)).map((name) => Buffer.from(name));
    for (const name of names.sort((a, b) => a.compare(b))) {
      const inside = join(directory, name.toString());
      const path = join(root, inside);
      const status = linux.files.statAt(AT_FDCWD, path);
      if (!status || TYPES[status.mode & S_IFMT] === undefined) continue;
      const type = status.mode & S_IFMT;
      const stat = statOf(linux, path, join(top, inside), status, linked);
      yield { path, stat, isFile: type === S_IFREG };
      if (type === S_IFDIR) yield* below(inside);
    }
  }
  if (top !== '') {
    const mode = goMode(S_IFDIR | 0o755);
    yield {
      path: root,
      stat: Buffer.from(Stat.encode(Stat.fromPartial({ path: top, mode })).finish()),
      isFile: false,
    };
  }
  yield* below('');
}

function statOf(
  linux: Port,
  file: string,
  /** For the client. */
  path: string,
  status: FileStatus,
  linked: Map<string, string>,
): Buffer {
  const type = status.mode & S_IFMT;
  const inode = `${status.device}:${status.inode}`;
  const first = type === S_IFREG && status.links > 1 ? linked.get(inode) : undefined;
  if (type === S_IFREG && status.links > 1) linked.set(inode, first ?? path);
  const target = type === S_IFLNK ? linux.files.readlinkAt(AT_FDCWD, file) : '';
  const capability = type === S_IFREG ? linux.files.getXattr(file, CAPABILITY) : undefined;
  const isDevice = type === S_IFBLK || type === S_IFCHR;
  const stat = Stat.fromPartial({
    path,
    mode: goMode(status.mode),
    uid: status.uid,
    gid: status.gid,
    size: type === S_IFREG && first === undefined ? status.size : 0,
    linkname: first ?? target,
    devmajor: isDevice ? status.major : 0,
    devminor: isDevice ? status.minor : 0,
    xattrs: capability ? { [CAPABILITY]: capability } : {},
  });
  const { seconds, nanoseconds } = status.mtime;
  const time = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  const more = new BinaryWriter().uint32((MOD_TIME_FIELD << 3) | 0).int64(time.toString());
  return Buffer.concat([Stat.encode(stat).finish(), more.finish()]);
}

function goMode(mode: number): number {
  const has = (bit: number, go: number) => ((mode & bit) === 0 ? 0 : go);
  const special = has(0o4000, 0x00800000) | has(0o2000, 0x00400000) | has(0o1000, 0x00100000);
  return ((TYPES[mode & S_IFMT] ?? 0) | special | (mode & 0o777)) >>> 0;
}

async function sendFile(call: SessionCall, id: number, path: string): Promise<void> {
  const file: FileHandle = await open(path, O_RDONLY | O_NOFOLLOW);
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE), 0, PIECE, null);
      if (bytesRead === 0) break;
      await send(call, { type: PacketType.PACKET_DATA, id, data: buffer.subarray(0, bytesRead) });
    }
  } finally {
    await file.close();
  }
  await send(call, { type: PacketType.PACKET_DATA, id });
}

const send = (call: SessionCall, packet: Partial<Packet>): Promise<void> =>
  call.sendWhole(Packet.encode(Packet.fromPartial(packet)).finish());
