import { BinaryReader } from '@bufbuild/protobuf/wire';
import { Packet, Packet_PacketType as PacketType, Stat } from '@gantry/proto/session';
import { invalidArgument } from '@gantry/shared/errors';
import { END_OF_ARCHIVE, encodeHeader, newEntry, type TarEntry, tarPadding } from '@gantry/shared/tar';
import { SESSION_CALLS, type SessionCall, type SessionConnection } from '@gantry/shared/buildkit';

/** Which files of a directory a client is asked for (fsutil's patterns, those of .dockerignore). */
export interface DirectoryRequest {
  /** What the client calls the directory: `context` or `dockerfile`. */
  name: string;
  include?: string[];
  exclude?: string[];
  /** Hears how many bytes have come, all in all. */
  onBytes?: (count: number) => void;
}

/** Small files are asked for before it is their turn, up to so many bytes: else each one costs a round trip. */
const AHEAD = 1024 * 1024;
const MOD_TIME_FIELD = 6;

/** Go's os.FileMode. */
const GO = {
  directory: 0x80000000,
  symlink: 0x08000000,
  device: 0x04000000,
  fifo: 0x02000000,
  socket: 0x01000000,
  setuid: 0x00800000,
  setgid: 0x00400000,
  character: 0x00200000,
  sticky: 0x00100000,
};

interface RemoteFile {
  id: number;
  entry: TarEntry;
}

/**
 * A client's directory as a tar archive without its end (BuildKit's DiffCopy): the client describes all files, then sends the
 * content of those that it is asked for.
 * @throws EngineError with what the client says, or where a file changes while it is sent
 */
export async function* copyDirectory(
  connection: SessionConnection,
  { name, include, exclude, onBytes }: DirectoryRequest,
): AsyncGenerator<Buffer> {
  const call = connection.open(SESSION_CALLS.files, metadataOf({ name, include, exclude }));
  try {
    const packets = packetsOf(call, onBytes);
    const files: RemoteFile[] = [];
    for (let id = 0; ; id += 1) {
      const { stat } = await expectPacket(packets, PacketType.PACKET_STAT);
      if (stat.length === 0) break;
      const entry = entryOf(stat);
      if (entry) files.push({ id, entry });
    }
    const contents = new Contents(call, packets, files);
    for (const file of files) {
      yield encodeHeader(file.entry);
      if (file.entry.size === 0) continue;
      yield* contents.of(file);
      yield tarPadding(file.entry.size);
    }
    await finish(call, packets);
  } finally {
    call.cancel();
  }
}

export const endOfDirectory = END_OF_ARCHIVE;

/** One file of a client's directory; undefined where it has none of that name. */
export async function readRemoteFile(
  connection: SessionConnection,
  directory: string,
  path: string,
  onBytes?: DirectoryRequest['onBytes'],
): Promise<string | undefined> {
  const call = connection.open(SESSION_CALLS.files, metadataOf({ name: directory, include: [path] }));
  try {
    const packets = packetsOf(call, onBytes);
    let wanted: RemoteFile | undefined;
    for (let id = 0; ; id += 1) {
      const { stat } = await expectPacket(packets, PacketType.PACKET_STAT);
      if (stat.length === 0) break;
      const entry = entryOf(stat);
      if (entry?.name === path && entry.type === 'file') wanted = { id, entry };
    }
    const parts: Buffer[] = [];
    if (wanted && wanted.entry.size > 0) {
      for await (const part of new Contents(call, packets, [wanted]).of(wanted)) parts.push(part);
    }
    await finish(call, packets);
    return wanted && Buffer.concat(parts).toString('utf8');
  } finally {
    call.cancel();
  }
}

/** The contents of files in their order, some of which arrive before their turn. */
class Contents {
  private readonly early = new Map<number, Buffer[]>();
  private readonly ended = new Set<number>();
  private readonly wanted: RemoteFile[];
  private ahead = 0;

  constructor(
    private readonly call: SessionCall,
    private readonly packets: AsyncGenerator<Packet>,
    files: RemoteFile[],
  ) {
    this.wanted = files.filter(({ entry }) => entry.size > 0);
  }

  async *of({ id, entry }: RemoteFile): AsyncGenerator<Buffer> {
    this.request(id);
    let left = entry.size;
    const take = (data: Buffer): Buffer => {
      left -= data.length;
      if (left < 0) throw changed(entry);
      return data;
    };
    for (const data of this.early.get(id) ?? []) yield take(data);
    this.early.delete(id);
    while (!this.ended.has(id)) {
      const packet = await expectPacket(this.packets, PacketType.PACKET_DATA);
      if (packet.data.length === 0) this.ended.add(packet.id);
      else if (packet.id === id) yield take(packet.data);
      else {
        const parts = this.early.get(packet.id) ?? [];
        this.early.set(packet.id, [...parts, packet.data]);
      }
    }
    this.ended.delete(id);
    this.ahead -= entry.size;
    if (left > 0) throw changed(entry);
  }

  /** Asks for the file and for those after it, as far as they are small. */
  private request(id: number): void {
    for (let next = this.wanted[0]; next; next = this.wanted[0]) {
      if (next.id !== id && this.ahead + next.entry.size > AHEAD) return;
      this.wanted.shift();
      this.ahead += next.entry.size;
      this.call.send(
        Packet.encode(Packet.fromPartial({ type: PacketType.PACKET_REQ, id: next.id })).finish(),
      );
    }
  }
}

/** The client learns that no more is wanted. */
async function finish(call: SessionCall, packets: AsyncGenerator<Packet>): Promise<void> {
  call.send(Packet.encode(Packet.fromPartial({ type: PacketType.PACKET_FIN })).finish());
  await expectPacket(packets, PacketType.PACKET_FIN);
  call.end();
}

async function* packetsOf(
  call: SessionCall,
  onBytes: DirectoryRequest['onBytes'] = () => {},
): AsyncGenerator<Packet> {
  let count = 0;
  for await (const message of call.messages()) {
    onBytes((count += message.length));
    const packet = Packet.decode(message);
    if (packet.type === PacketType.PACKET_ERR) throw invalidArgument(packet.data.toString('utf8'));
    yield packet;
  }
}

async function expectPacket(packets: AsyncGenerator<Packet>, type: PacketType): Promise<Packet> {
  const { done, value } = await packets.next();
  if (done || value.type !== type) throw invalidArgument('the client does not speak as its session said');
  return value;
}

/** Header values are ASCII; others are escaped, and said to be. */
function metadataOf({ name, include, exclude }: DirectoryRequest): Record<string, string[]> {
  const metadata: Record<string, string[]> = {};
  const add = (key: string, values: string[] | undefined): void => {
    if (values === undefined || values.length === 0) return;
    const isPlain = values.every((value) => /^[\x20-\x7e]*$/.test(value));
    metadata[key] = isPlain ? values : values.map(encodeURIComponent);
    if (!isPlain) metadata[`${key}-encoded`] = ['1'];
  };
  add('dir-name', [name]);
  add('include-patterns', include);
  add('exclude-patterns', exclude);
  return metadata;
}

/** undefined: a socket, which no archive holds. */
function entryOf(bytes: Buffer): TarEntry | undefined {
  const stat = Stat.decode(bytes);
  const has = (bit: number): boolean => (stat.mode & bit) !== 0;
  if (has(GO.socket)) return undefined;
  const mode =
    (stat.mode & 0o777) |
    (has(GO.setuid) ? 0o4000 : 0) |
    (has(GO.setgid) ? 0o2000 : 0) |
    (has(GO.sticky) ? 0o1000 : 0);
  const type = has(GO.directory)
    ? 'directory'
    : has(GO.symlink)
      ? 'symlink'
      : has(GO.device)
        ? has(GO.character)
          ? 'character'
          : 'block'
        : has(GO.fifo)
          ? 'fifo'
          : stat.linkname
            ? 'link'
            : 'file';
  const modTime = modTimeOf(bytes);
  return {
    ...newEntry(
      type === 'directory' ? `${stat.path}/` : stat.path,
      type,
      type === 'file' ? stat.size : 0,
      mode,
    ),
    uid: stat.uid,
    gid: stat.gid,
    linkName: stat.linkname,
    major: stat.devmajor,
    minor: stat.devminor,
    mtime: { seconds: Number(modTime / 1_000_000_000n), nanoseconds: Number(modTime % 1_000_000_000n) },
    xattrs: new Map(Object.entries(stat.xattrs)),
  };
}

function modTimeOf(bytes: Buffer): bigint {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === MOD_TIME_FIELD) return BigInt(reader.int64());
    reader.skip(wireType);
  }
  return 0n;
}

const changed = ({ name }: TarEntry) => invalidArgument(`${name} changed while it was sent`);
