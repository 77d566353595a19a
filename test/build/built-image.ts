import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { extract, type Header } from 'tar-stream';
import { busyboxRootfs } from '../support/busybox-image';
import { type Answer, EngineClient } from '../support/engine-client';
import { BASE, type Case } from './corpus';
import { corpusContext } from './corpus-context';

/** What a build has made, as far as two engines can be compared in it. */
export interface BuiltImage {
  config: Record<string, unknown>;
  author?: string;
  /** `created_by` of the steps above the base, those without a layer in brackets. */
  history: string[];
  /** What differs from the base: mode, owner, kind and content; null: it is gone. */
  files: Record<string, string | null>;
}

type Files = Map<string, string>;

const CONFIG = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'Healthcheck',
  'OnBuild',
  'Shell',
];

/** Builds the corpus on one engine, whichever it is. */
export class CorpusEngine {
  private baseFiles: Files = new Map();
  private baseHistory = 0;
  private readonly layers = new Map<string, Member[]>();

  constructor(
    private readonly api: EngineClient,
    private readonly prefix: string,
  ) {}

  /** Imports the image that every Dockerfile begins with. */
  async prepare(): Promise<void> {
    const [repo, tag] = BASE.split(':');
    const changes = encodeURIComponent('ENV PATH=/bin');
    const answer = await this.api.post(
      `/images/create?fromSrc=-&repo=${repo}&tag=${tag}&changes=${changes}`,
      await busyboxRootfs(),
    );
    if (answer.status !== 200) throw new Error(answer.text);
    const { files, document } = await this.read(BASE);
    this.baseFiles = files;
    this.baseHistory = document.history?.length ?? 0;
  }

  /** The image, or the words of the error. */
  async build({ name, dockerfile, query }: Case): Promise<BuiltImage | string> {
    const tag = `${this.prefix}-${name}:corpus`;
    const parameters = new URLSearchParams({ t: tag, nocache: 'true', networkmode: 'none', ...query });
    const answer = await this.api.post(`/build?${parameters.toString()}`, await corpusContext(dockerfile));
    const error = errorOf(answer);
    if (error !== undefined) return error;
    const { files, document } = await this.read(tag);
    await this.api.delete(`/images/${tag}?force=1`);
    const config = CONFIG.map((key) => [key, document.config?.[key]] as const).filter(
      ([, value]) => !isEmpty(value),
    );
    return {
      config: Object.fromEntries(config),
      ...(document.author && { author: document.author }),
      history: (document.history ?? [])
        .slice(this.baseName(document) ? this.baseHistory : 0)
        .map(({ created_by: by = '', empty_layer: empty }) => (empty ? `(${by})` : by)),
      files: this.difference(files),
    };
  }

  async close(): Promise<void> {
    await this.api.delete(`/images/${BASE}?force=1`);
  }

  /** Whether the image stands on the base: one of scratch has fewer files than it. */
  private baseName(document: ImageDocument): boolean {
    return (document.history?.length ?? 0) > 0 && !document.history?.[0]?.created_by;
  }

  private difference(files: Files): BuiltImage['files'] {
    const isOnBase = files.has('bin/busybox');
    const changed: BuiltImage['files'] = {};
    for (const path of [...new Set([...files.keys(), ...(isOnBase ? this.baseFiles.keys() : [])])].sort()) {
      const now = files.get(path) ?? null;
      if (now !== (isOnBase ? (this.baseFiles.get(path) ?? null) : undefined)) changed[`/${path}`] = now;
    }
    return changed;
  }

  private async read(image: string): Promise<{ files: Files; document: ImageDocument }> {
    const members = await membersOf(await this.bytes(`/images/${image}/get`));
    const manifest = JSON.parse(textOf(members, 'manifest.json')) as { Config: string; Layers: string[] }[];
    const { Config: config = '', Layers: layers = [] } = manifest[0] ?? {};
    const files: Files = new Map();
    for (const layer of layers) apply(files, await this.layer(contentOf(members, layer)));
    return { files, document: JSON.parse(textOf(members, config)) as ImageDocument };
  }

  /** Most layers are the base's. */
  private async layer(bytes: Buffer): Promise<Member[]> {
    const digest = createHash('sha256').update(bytes).digest('hex');
    const known = this.layers.get(digest) ?? [...(await membersOf(bytes)).values()];
    this.layers.set(digest, known);
    return known;
  }

  private async bytes(path: string): Promise<Buffer> {
    const { request } = await import('node:http');
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath: this.api.socketPath, path }, (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.once('end', () => resolve(Buffer.concat(parts)));
        incoming.once('error', reject);
      });
      outgoing.once('error', reject);
      outgoing.end();
    });
  }
}

interface ImageDocument {
  config?: Record<string, unknown>;
  author?: string;
  history?: { created_by?: string; empty_layer?: boolean }[];
}

interface Member {
  headers: Header;
  content: Buffer;
}

/** By name; the same name twice does not happen in what `docker save` writes. */
async function membersOf(archive: Buffer): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  const unpack = extract();
  unpack.end(archive);
  for await (const entry of unpack) {
    const parts: Buffer[] = [];
    for await (const part of entry) parts.push(part as Buffer);
    members.set(entry.header.name, { headers: entry.header, content: Buffer.concat(parts) });
  }
  return members;
}

/** dockerd has a layer that several images share behind a symlink. */
function contentOf(members: Map<string, Member>, name: string): Buffer {
  const member = members.get(name);
  if (!member) throw new Error(`${name} is not in the archive`);
  const { type, linkname } = member.headers;
  return type === 'symlink'
    ? contentOf(members, posix.join(posix.dirname(name), linkname ?? ''))
    : member.content;
}

const textOf = (members: Map<string, Member>, name: string): string => contentOf(members, name).toString();

/** Puts a layer over what is there. */
function apply(files: Files, layer: Member[]): void {
  const forget = (path: string) => {
    for (const known of files.keys()) if (known === path || known.startsWith(`${path}/`)) files.delete(known);
  };
  for (const { headers, content } of layer) {
    const path = headers.name.replace(/^\.?\/+/, '').replace(/\/+$/, '');
    const name = posix.basename(path);
    const directory = posix.dirname(path);
    if (name === '.wh..wh..opq') {
      for (const known of [...files.keys()]) if (known.startsWith(`${directory}/`)) files.delete(known);
    } else if (name.startsWith('.wh.')) forget(posix.join(directory, name.slice(4)));
    else if (path !== '' && path !== '.') {
      const isDirectory = headers.type === 'directory';
      if (files.has(path) && !(isDirectory && files.get(path)?.includes(' directory'))) forget(path);
      files.set(path, describeMember(headers, content, files));
    }
  }
}

function describeMember(headers: Header, content: Buffer, files: Files): string {
  const { type = 'file', linkname, mode = 0, uid = 0, gid = 0 } = headers;
  // Both names of a file say the same.
  if (type === 'link') return files.get((linkname ?? '').replace(/^\.?\/+/, '')) ?? `link to ${linkname}`;
  const owner = `${(mode & 0o7777).toString(8)} ${uid}:${gid} ${type ?? 'file'}`;
  if (type === 'symlink') return `${uid}:${gid} symlink to ${linkname}`;
  if (type !== 'file') return owner;
  const isText = content.length <= 200 && /^[\t\n\x20-\x7e]*$/.test(content.toString('latin1'));
  return `${owner} ${isText ? JSON.stringify(content.toString()) : createHash('sha256').update(content).digest('hex').slice(0, 16)}`;
}

/** Of a request that was refused, or of a build that failed on the way. */
function errorOf({ status, text, body }: Answer): string | undefined {
  if (status !== 200) return (body as { message?: string }).message ?? text;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  for (const line of lines) {
    const { error } = JSON.parse(line) as { error?: string };
    if (error !== undefined) return error;
  }
  return undefined;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
