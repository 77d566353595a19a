import { Inject, Injectable } from '@nestjs/common';
import type { StatusResponse } from '@gantry/proto/buildkit';
import type { SessionConnection } from '@gantry/shared/buildkit';
import { EngineError, invalidArgument, messageOf } from '@gantry/shared/errors';
import type { BuildJob } from '@gantry/shared/queue';
import { ImageData } from '../images/image-data';
import { ImageJobQueue } from '../images/image-jobs';
import { failureAt } from './build-failure';
import { BuildSessions } from './build-sessions';
import { BuildVertexes } from './build-vertexes';
import { registryConfigFor } from './client-credentials';
import { ClientFiles } from './client-files';
import { ClientTransfers } from './client-transfers';
import type { FrontendBuild } from './frontend-options';
import { SessionRelay } from './session-relay';

const CONTEXT = 'context';

/** One build as a client of BuildKit asks for it: what it is made of comes over the client's session. */
export interface ClientBuild extends FrontendBuild {
  /** The build's name, the client's choice. */
  ref: string;
  /** Empty: the client has none. */
  sessionId: string;
  /** The context, where it did not come over the session. */
  uploadId?: string;
  /** The header X-Registry-Config of a client that sends one. */
  registryConfig?: string;
}

export interface Built {
  imageId: string;
  /** BuildKit's ExporterResponse, but for what is the same of all images. */
  response: Record<string, string>;
  /** What was asked of the Dockerfile instead of an image. */
  description?: Record<string, string>;
}

type Tell = (status: StatusResponse) => void;

/** What the classic builder says of a command that failed. */
const FAILED = /^The command '(.*)' returned a non-zero code: (\d+)$/s;

/** What it says of files that are not there. */
const MISSING =
  /^(?:COPY|ADD) failed: (?:file not found in build context or excluded by \.dockerignore: )?stat (.*): file does not exist$/s;

function inWordsOfBuildKit(error: string, ref: string): string {
  const [, path] = MISSING.exec(error) ?? [];
  if (path !== undefined) {
    const name = JSON.stringify(`/${path}`);
    return `failed to compute cache key: failed to calculate checksum of ref ${ref}: ${name}: not found`;
  }
  const [, command, code] = FAILED.exec(error) ?? [];
  if (command === undefined) return error;
  return `process ${JSON.stringify(command)} did not complete successfully: exit code: ${code}`;
}

/** Runs builds of BuildKit's clients as jobs of the builder. */
@Injectable()
export class ClientBuilds {
  constructor(
    @Inject(BuildSessions) private readonly sessions: BuildSessions,
    @Inject(ImageData) private readonly data: ImageData,
    @Inject(ClientFiles) private readonly files: ClientFiles,
    @Inject(ImageJobQueue) private readonly jobs: ImageJobQueue,
    @Inject(SessionRelay) private readonly relay: SessionRelay,
  ) {}

  /** `tell` hears how it goes. @throws EngineError that the build failed with, which `tell` has heard too */
  async run(build: ClientBuild, tell: Tell, signal: AbortSignal): Promise<Built> {
    const vertexes = new BuildVertexes(build.ref);
    try {
      const run = (session?: SessionConnection) => this.runWith(session, build, vertexes, tell, signal);
      await (build.sessionId === '' ? run() : this.sessions.use(build.sessionId, run));
      signal.throwIfAborted();
      tell(vertexes.end());
      const { imageId, response, description } = vertexes;
      return { imageId, response, description };
    } catch (error) {
      const message = inWordsOfBuildKit(messageOf(error), build.ref);
      tell(vertexes.fail(message));
      const kind = error instanceof EngineError ? error.kind : 'Internal';
      const failure = new EngineError(kind, message, { cause: error });
      throw failureAt(failure, vertexes.source, vertexes.failed);
    }
  }

  private async runWith(
    session: SessionConnection | undefined,
    build: ClientBuild,
    vertexes: BuildVertexes,
    tell: Tell,
    signal: AbortSignal,
  ): Promise<void> {
    for (const type of build.unknownCaches) {
      tell(vertexes.begin(`importing cache manifest from ${type}`));
      tell(vertexes.fail(`unknown cache importer: ${type}`));
    }
    const job = await this.jobOf(build, session, new ClientTransfers(vertexes, tell));
    for await (const line of this.jobs.run('build', job, signal)) {
      const { error } = line as { error?: string };
      if (error !== undefined) throw invalidArgument(error);
      const status = vertexes.line(line);
      if (status) tell(status);
    }
  }

  private async jobOf(
    build: ClientBuild,
    session: SessionConnection | undefined,
    transfers: ClientTransfers,
  ): Promise<BuildJob> {
    const { options, sessionId, registryConfig = '' } = build;
    const text = session && (await this.dockerfile(build, session, transfers));
    const ignored =
      session && options.remote === '' && build.uploadId === undefined
        ? await transfers.bring('[internal] load .dockerignore', 'context', (onBytes) =>
            this.files.ignored(session, CONTEXT, options.dockerfile, onBytes),
          )
        : undefined;
    const needsContext = !options.describe || text === undefined;
    const uploadId =
      build.uploadId ??
      (session && needsContext ? await this.context(build, session, ignored, transfers) : undefined);
    if (uploadId === undefined && !needsContext) return this.question({ ...options, ignored }, text);
    if (uploadId === undefined && options.remote === '') throw invalidArgument('no build context');
    const asked = session ? await registryConfigFor(session, text ?? '', cacheNames(options)) : '';
    return {
      ...options,
      ignored,
      remote: uploadId === undefined ? options.remote : '',
      uploadId: uploadId ?? '',
      contexts: session ? await this.contexts(build, session, transfers) : {},
      session: session && (await this.relay.addressOf(sessionId)),
      dockerfileId: text === undefined ? '' : await this.data.storeText(text),
      credentialsId: await this.data.storeText(asked || registryConfig),
    };
  }

  /** What is asked of a Dockerfile alone. */
  private async question(options: FrontendBuild['options'], text = ''): Promise<BuildJob> {
    const dockerfileId = await this.data.storeText(text);
    return { ...options, remote: '', uploadId: '', contexts: {}, dockerfileId, credentialsId: '' };
  }

  /** undefined: it is in the context. */
  private async dockerfile(
    { options, hasOwnDockerfile, uploadId }: ClientBuild,
    session: SessionConnection,
    transfers: ClientTransfers,
  ): Promise<string | undefined> {
    const isWithContext = options.remote !== '' || uploadId !== undefined;
    if (isWithContext && !hasOwnDockerfile) return undefined;
    const vertex = `[internal] load build definition from ${options.dockerfile}`;
    return transfers.bring(vertex, 'dockerfile', (onBytes) =>
      this.files.dockerfile(session, options.dockerfile, onBytes),
    );
  }

  /** undefined: it is not the client's. */
  private context(
    { options }: ClientBuild,
    session: SessionConnection,
    ignored: string[] | undefined,
    transfers: ClientTransfers,
  ): Promise<string | undefined> {
    return transfers.bring('[internal] load build context', 'context', (onBytes) =>
      options.remote !== ''
        ? this.files.archive(session, options.remote)
        : this.files.directory(session, CONTEXT, ignored, onBytes),
    );
  }

  private async contexts(
    { contexts }: ClientBuild,
    session: SessionConnection,
    transfers: ClientTransfers,
  ): Promise<BuildJob['contexts']> {
    const named: BuildJob['contexts'] = {};
    for (const [name, from] of Object.entries(contexts)) {
      named[name] = await transfers.bring(`[context ${name}] load from ${from}`, name, (onBytes) =>
        this.files.named(session, name, from, onBytes),
      );
    }
    return named;
  }
}

const cacheNames = ({ cacheImports, cacheExports }: FrontendBuild['options']): string[] =>
  [...cacheImports, ...cacheExports.map(({ to }) => to)].flatMap((place) =>
    place.kind === 'registry' ? [place.reference] : [],
  );
