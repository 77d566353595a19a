import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { StatusResponse } from '@gantry/proto/buildkit';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import { ImageData } from '../images/image-data';
import { ImageJobQueue } from '../images/image-jobs';
import { BuildSessions } from './build-sessions';
import { BuildVertexes } from './build-vertexes';
import { copyDirectory, endOfDirectory, readRemoteFile } from './directory-copy';
import { registryConfigFor } from './client-credentials';
import type { FrontendBuild } from './frontend-options';
import { SessionRelay } from './session-relay';
import type { SessionConnection } from '@gantry/shared/buildkit';

const CONTEXT = 'context';
const DOCKERFILE = 'dockerfile';

/** One build as a client of BuildKit asks for it: what it is made of comes over the client's session. */
export interface ClientBuild extends FrontendBuild {
  /** The build's name, the client's choice. */
  ref: string;
  sessionId: string;
}

/** Runs builds of BuildKit's clients as jobs of the builder. */
@Injectable()
export class ClientBuilds {
  constructor(
    @Inject(BuildSessions) private readonly sessions: BuildSessions,
    @Inject(ImageData) private readonly data: ImageData,
    @Inject(ImageJobQueue) private readonly jobs: ImageJobQueue,
    @Inject(SessionRelay) private readonly relay: SessionRelay,
  ) {}

  /** The image's id; `tell` hears how it goes. @throws EngineError that the build failed with, which `tell` has heard too */
  async run(
    { ref, sessionId, options, cacheImports }: ClientBuild,
    tell: (status: StatusResponse) => void,
    signal: AbortSignal,
  ): Promise<string> {
    const vertexes = new BuildVertexes(ref);
    try {
      const session = await this.sessions.find(sessionId);
      for (const name of cacheImports) {
        tell(vertexes.begin(`importing cache manifest from ${name}`));
        tell(vertexes.fail('importing a cache is not built yet'));
      }
      tell(vertexes.begin(`[internal] load build definition from ${options.dockerfile}`));
      // A remote context has its Dockerfile with it.
      const dockerfile = options.remote === '' ? await requiredFile(session, options.dockerfile) : undefined;
      tell(vertexes.begin('[internal] load build context'));
      const uploadId = options.remote === '' ? await this.upload(session, options.dockerfile) : '';
      const job = {
        ...options,
        uploadId,
        session: await this.relay.addressOf(sessionId),
        dockerfileId: dockerfile === undefined ? '' : await this.data.storeText(dockerfile),
        credentialsId: await this.data.storeText(await registryConfigFor(session, dockerfile ?? '')),
      };
      for await (const line of this.jobs.run('build', job, signal)) {
        const { error } = line as { error?: string };
        if (error !== undefined) throw invalidArgument(error);
        const status = vertexes.line(line);
        if (status) tell(status);
      }
      signal.throwIfAborted();
      tell(vertexes.end());
      return vertexes.imageId;
    } catch (error) {
      tell(vertexes.fail(messageOf(error)));
      throw error;
    }
  }

  /** The client leaves out what the ignore file names; BuildKit prefers one that belongs to the Dockerfile. */
  private async upload(session: SessionConnection, dockerfile: string): Promise<string> {
    const ignored =
      (await readRemoteFile(session, DOCKERFILE, `${dockerfile}.dockerignore`)) ??
      (await readRemoteFile(session, CONTEXT, '.dockerignore'));
    const exclude = ignored === undefined ? undefined : ignorePatterns(ignored);
    async function* archive(): AsyncGenerator<Buffer> {
      yield* copyDirectory(session, { name: CONTEXT, exclude });
      yield endOfDirectory;
    }
    return this.data.store(Readable.from(archive()));
  }
}

async function requiredFile(session: SessionConnection, path: string): Promise<string> {
  const text = await readRemoteFile(session, DOCKERFILE, path);
  if (text !== undefined) return text;
  throw invalidArgument(`failed to read dockerfile: open ${path}: no such file or directory`);
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
