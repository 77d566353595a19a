import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { StatusResponse } from '@gantry/proto/buildkit';
import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import { type ClientBuild, ClientBuilds } from '../buildkit/client-builds';
import { type Exporter, frontendBuild } from '../buildkit/frontend-options';
import { RunningSolve } from '../buildkit/running-solve';
import { ImageData } from '../images/image-data';
import { headerOf, type Request, type Response } from '../routing/http-messages';
import type { QueryParameters } from '../routing/query-parameters';
import { sendJobProgress } from '../streaming/job-progress';
import { type BuildOptions, buildOptions, outputsOf } from './build-options';

/** API `remote`: the context is the client's directory. */
const CLIENT_SESSION = 'client-session';
const UPLOAD_REQUEST = 'upload-request';
const NETWORK_MODES = ['', 'default', 'host', 'none'];

/** API: ImageBuild with `version=2`, as dockerd hands it to BuildKit; its progress comes as BuildKit's own messages. */
@Injectable()
export class BuildKitRequests {
  constructor(
    @Inject(ImageData) private readonly data: ImageData,
    @Inject(ClientBuilds) private readonly builds: ClientBuilds,
  ) {}

  async build(
    query: QueryParameters,
    request: Request,
    response: Response,
    signal: AbortSignal,
  ): Promise<void> {
    const options = buildOptions(query);
    const exporter = exporterOf(query, options.names);
    const frontend = frontendBuild('dockerfile.v0', frontendAttributes(options), exporter);
    if (options.remote === UPLOAD_REQUEST || query.text('buildid').startsWith(`${UPLOAD_REQUEST}:`)) {
      throw notImplemented('a context in a request of its own is not built yet');
    }
    const build: ClientBuild = {
      ...frontend,
      ref: randomUUID(),
      sessionId: query.text('session'),
      uploadId: options.remote === '' ? await this.data.store(request) : undefined,
      registryConfig: headerOf(request, 'x-registry-config'),
    };
    await sendJobProgress(response, this.lines(build, options.quiet, signal));
  }

  private async *lines(build: ClientBuild, isQuiet: boolean, signal: AbortSignal): AsyncGenerator<object> {
    const solve = new RunningSolve();
    this.builds
      .run(build, (update) => solve.tell(update), signal)
      .then(
        ({ imageId }) => solve.finish(imageId),
        (error: unknown) => solve.fail(error),
      );
    for await (const update of solve.watch(signal)) {
      const aux = Buffer.from(StatusResponse.encode(update).finish()).toString('base64');
      if (!isQuiet) yield { id: 'moby.buildkit.trace', aux };
    }
    const id = await solve.result;
    if (build.options.export) return;
    yield isQuiet ? { stream: `${id}\n` } : { id: 'moby.image.id', aux: { ID: id } };
  }
}

/** @throws InvalidArgument for several outputs */
function exporterOf(query: QueryParameters, names: string[]): Exporter {
  const outputs = outputsOf(query);
  if (outputs.length > 1) throw invalidArgument('multiple outputs not supported');
  const [{ Type = 'moby', Attrs } = {}] = outputs;
  const name = names.join(',');
  if (Type === 'moby' || Type === 'image')
    return { type: Type, attributes: { ...Attrs, name }, cacheExports: [] };
  return { type: Type === 'cacheonly' ? '' : Type, attributes: Attrs ?? {}, cacheExports: [] };
}

/** What dockerd makes of the parameters for BuildKit's frontend (moby, builder/builder-next). */
function frontendAttributes(options: BuildOptions): Record<string, string> {
  const { networkMode, remote } = options;
  if (!NETWORK_MODES.includes(networkMode)) {
    throw invalidArgument(`network mode ${JSON.stringify(networkMode)} not supported by buildkit`);
  }
  const given = Object.entries(options.arguments).filter(([, value]) => value !== null);
  return {
    context: remote === CLIENT_SESSION ? '' : remote,
    filename: options.dockerfile,
    target: options.target,
    platform: options.platform,
    'image-resolve-mode': options.pull ? 'pull' : 'default',
    'force-network-mode': networkMode === 'default' ? '' : networkMode,
    'add-hosts': options.extraHosts.map((host) => host.replace(':', '=')).join(','),
    'cgroup-parent': options.limits.cgroupParent,
    'shm-size': String(options.limits.shmSize),
    ulimit: options.limits.ulimits.map(({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`).join(','),
    'cache-from': options.cacheFrom.join(','),
    ...(options.noCache && { 'no-cache': '' }),
    ...Object.fromEntries(given.map(([name, value]) => [`build-arg:${name}`, value ?? ''])),
    ...Object.fromEntries(Object.entries(options.labels).map(([name, value]) => [`label:${name}`, value])),
  };
}
