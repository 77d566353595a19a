import { Inject, Injectable } from '@nestjs/common';
import type { StatusResponse } from '@gantry/proto/buildkit';
import type { SessionConnection } from '@gantry/shared/buildkit';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import type { BuildJob } from '@gantry/shared/queue';
import { ImageData } from '../images/image-data';
import { ImageJobQueue } from '../images/image-jobs';
import { BuildSessions } from './build-sessions';
import { BuildVertexes } from './build-vertexes';
import { registryConfigFor } from './client-credentials';
import { ClientFiles } from './client-files';
import type { FrontendBuild } from './frontend-options';
import { SessionRelay } from './session-relay';

const CONTEXT = 'context';

/** One build as a client of BuildKit asks for it: what it is made of comes over the client's session. */
export interface ClientBuild extends FrontendBuild {
  /** The build's name, the client's choice. */
  ref: string;
  sessionId: string;
}

type Tell = (status: StatusResponse) => void;

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

  /** The image's id; `tell` hears how it goes. @throws EngineError that the build failed with, which `tell` has heard too */
  async run(build: ClientBuild, tell: Tell, signal: AbortSignal): Promise<string> {
    const vertexes = new BuildVertexes(build.ref);
    try {
      const session = await this.sessions.find(build.sessionId);
      for (const type of build.foreignCaches) {
        tell(vertexes.begin(`importing cache manifest from ${type}`));
        tell(vertexes.fail(`importing a cache of type ${type} is not built yet`));
      }
      const job = await this.jobOf(build, session, (name) => tell(vertexes.begin(name)));
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

  /** `begin` hears what is fetched from the client. */
  private async jobOf(
    { options, contexts, hasOwnDockerfile, sessionId }: ClientBuild,
    session: SessionConnection,
    begin: (name: string) => void,
  ): Promise<BuildJob> {
    const { remote, dockerfile } = options;
    begin(`[internal] load build definition from ${dockerfile}`);
    // A remote context has its Dockerfile with it, unless the client says that it has one.
    const isWithClient = remote === '' || hasOwnDockerfile;
    const text = isWithClient ? await this.files.dockerfile(session, dockerfile) : undefined;
    begin('[internal] load build context');
    const uploadId =
      remote === ''
        ? await this.files.directory(session, CONTEXT, dockerfile)
        : await this.files.archive(session, remote);
    const named: BuildJob['contexts'] = {};
    for (const [name, from] of Object.entries(contexts)) {
      begin(`[context ${name}] load from ${from}`);
      named[name] = await this.files.named(session, name, from);
    }
    return {
      ...options,
      remote: uploadId === undefined ? remote : '',
      uploadId: uploadId ?? '',
      contexts: named,
      session: await this.relay.addressOf(sessionId),
      dockerfileId: text === undefined ? '' : await this.data.storeText(text),
      credentialsId: await this.data.storeText(await registryConfigFor(session, text ?? '')),
    };
  }
}
