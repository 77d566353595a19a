import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { BytesMessage } from '@gantry/proto/session';
import { SESSION_CALLS, type SessionConnection } from '@gantry/shared/buildkit';
import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import type { NamedContext } from '@gantry/shared/queue';
import { ImageData } from '../images/image-data';
import { copyDirectory, type DirectoryRequest, endOfDirectory, readRemoteFile } from './directory-copy';

const DOCKERFILE = 'dockerfile';
/** What a client calls a context that it has read from its standard input. */
const UPLOAD_HOST = 'buildkit-session';
const REMOTES = /^(https?:\/\/|git:\/\/|git@|ssh:\/\/)/;

type OnBytes = DirectoryRequest['onBytes'];

/** Fetches what a build is made of from the client's session, for the job that builds. */
@Injectable()
export class ClientFiles {
  constructor(@Inject(ImageData) private readonly data: ImageData) {}

  /** What the client leaves out of a directory: BuildKit prefers an ignore file that belongs to the Dockerfile. */
  async ignored(
    session: SessionConnection,
    name: string,
    dockerfile = '',
    onBytes?: OnBytes,
  ): Promise<string[] | undefined> {
    const ofDockerfile =
      dockerfile === ''
        ? undefined
        : await readRemoteFile(session, DOCKERFILE, `${dockerfile}.dockerignore`, onBytes);
    const ignored = ofDockerfile ?? (await readRemoteFile(session, name, '.dockerignore', onBytes));
    return ignored === undefined ? undefined : ignorePatterns(ignored);
  }

  /** The upload that a directory of the client's has become, without what is ignored. */
  async directory(
    session: SessionConnection,
    name: string,
    exclude: string[] | undefined,
    onBytes?: OnBytes,
  ): Promise<string> {
    async function* archive(): AsyncGenerator<Buffer> {
      yield* copyDirectory(session, { name, exclude, onBytes });
      yield endOfDirectory;
    }
    return this.data.store(Readable.from(archive()));
  }

  /** The upload that the client has for an address of its own; undefined: the address is somebody else's. */
  async archive(session: SessionConnection, address: string): Promise<string | undefined> {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url?.hostname !== UPLOAD_HOST) return undefined;
    const call = session.open(SESSION_CALLS.uploaded, { urlpath: url.pathname, urlhost: url.host });
    async function* bytes(): AsyncGenerator<Buffer> {
      for await (const message of call.messages()) yield BytesMessage.decode(message).data;
    }
    call.end();
    try {
      return await this.data.store(Readable.from(bytes()));
    } finally {
      call.cancel();
    }
  }

  /** @throws InvalidArgument where there is none */
  async dockerfile(session: SessionConnection, path: string, onBytes?: OnBytes): Promise<string> {
    const text = await readRemoteFile(session, DOCKERFILE, path, onBytes);
    if (text !== undefined) return text;
    throw invalidArgument(`failed to read dockerfile: open ${path}: no such file or directory`);
  }

  /** What `context:name` says, for the job. @throws NotImplemented, InvalidArgument */
  async named(
    session: SessionConnection,
    name: string,
    from: string,
    onBytes?: OnBytes,
  ): Promise<NamedContext> {
    const [kind = '', rest] = splitOnce(from, ':');
    if (rest === undefined) throw invalidArgument(`invalid context specifier ${from} for ${name}`);
    if (kind === 'local') {
      const ignored = await this.ignored(session, rest);
      const uploadId = await this.directory(session, rest, ignored, onBytes);
      return { kind: 'upload', uploadId };
    }
    if (kind === 'docker-image') return { kind: 'image', reference: rest.replace(/^\/\//, '') };
    if (kind === 'oci-layout') return layoutOf(rest.replace(/^\/\//, ''), name);
    if (REMOTES.test(from)) return { kind: 'remote', url: from };
    throw notImplemented(`the named context ${name}: ${kind} is not built yet`);
  }
}

/** `<store>[:tag]@sha256:...`: buildx looks tags up by itself. */
function layoutOf(text: string, name: string): NamedContext {
  const [, store, digest = ''] = /^([^:@]+)(?::[^@]+)?@(sha256:[a-f0-9]{64})$/.exec(text) ?? [];
  if (store === undefined) throw invalidArgument(`invalid oci-layout ${text} for ${name}: no digest`);
  return { kind: 'layout', store: `oci:${store}`, digest };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** The lines of a .dockerignore, as the API's other clients read it: no comments, no slashes at either end. */
function ignorePatterns(text: string): string[] {
  return text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const negated = line.startsWith('!');
      const path = (negated ? line.slice(1) : line).trim().replace(/^\/+|\/+$/g, '');
      return path === '' ? '' : `${negated ? '!' : ''}${path}`;
    })
    .filter((pattern) => pattern !== '');
}
