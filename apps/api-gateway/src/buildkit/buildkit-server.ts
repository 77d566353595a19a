import {
  type Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { hostname } from 'node:os';
import type { Duplex } from 'node:stream';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import {
  ControlService,
  type DiskUsageRequest,
  type DiskUsageResponse,
  type ListWorkersResponse,
  type PruneRequest,
  type SolveRequest,
  type SolveResponse,
  type StatusRequest,
  type StatusResponse,
  type UsageRecord,
} from '@gantry/proto/buildkit';
import {
  LLBBridgeService,
  type ReturnRequest,
  type ReturnResponse,
  type SolveRequest as BridgeRequest,
  type SolveResponse as BridgeResponse,
} from '@gantry/proto/frontend';
import { ENGINE_VERSION } from '@gantry/shared/config';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import { fromJson } from '@gantry/shared/grpc';
import { ServiceClients } from '../peers/service-clients';
import { BuildFailure, failedCall } from './build-failure';
import { matcherOf } from './cache-filters';
import { type Built, ClientBuilds } from './client-builds';
import { frontendBuild } from './frontend-options';
import { RunningSolve } from './running-solve';
import { refOf, withInputs } from './solved-images';

/** The name of the build that a call of LLBBridge belongs to (BuildKit, client/buildid). */
const BUILD_ID = 'buildkit-controlapi-buildid';
/** How long a build that has ended is kept for those who watch it. Milliseconds. */
const KEPT_MS = 10_000;

/** What a client has to be told that it may use (BuildKit, frontend/gateway/pb/caps.go). */
const CAPABILITIES = [
  'solve.base',
  'return',
  'proto.refarray',
  'reference.output',
  'frontend.inputs',
  'gateway.evaluate',
];

/**
 * What BuildKit's clients ask for over POST /grpc: builds of Dockerfiles, which run as jobs of the builder, and its cache.
 * The rest of BuildKit's API is UNIMPLEMENTED, which is what its clients take for a daemon without it.
 */
@Injectable()
export class BuildKitServer implements OnModuleDestroy {
  private readonly solves = new Map<string, RunningSolve>();
  private readonly server = new Server();
  private readonly injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());

  constructor(
    @Inject(ClientBuilds) private readonly builds: ClientBuilds,
    @Inject(ServiceClients) private readonly services: ServiceClients,
  ) {
    this.server.addService(ControlService, {
      solve: unary((call: ServerUnaryCall<SolveRequest, SolveResponse>) => this.solve(call)),
      status: (call: ServerWritableStream<StatusRequest, StatusResponse>) => void this.status(call),
      listWorkers: unary(async () => this.workers(await this.hostGateway())),
      info: unary(async () => ({ buildkitVersion: VERSION })),
      diskUsage: unary(async ({ request }: ServerUnaryCall<DiskUsageRequest, DiskUsageResponse>) => ({
        record: (await this.usage()).filter(matcherOf(request.filter)),
      })),
      prune: (call: ServerWritableStream<PruneRequest, UsageRecord>) => void this.prune(call),
    } as UntypedServiceImplementation);
    this.server.addService(LLBBridgeService, {
      ping: unary(async () => ({ frontendCapabilities: CAPABILITIES.map((id) => ({ id, enabled: true })) })),
      solve: unary((call: ServerUnaryCall<BridgeRequest, BridgeResponse>) => this.bridge(call)),
      return: unary((call: ServerUnaryCall<ReturnRequest, ReturnResponse>) => this.giveBack(call)),
      // What there is of a result is made when it is solved.
      evaluate: unary(async () => ({})),
    } as UntypedServiceImplementation);
  }

  /** A connection that has been taken out of HTTP/1: the client speaks HTTP/2 on it. */
  serve(connection: Duplex): void {
    this.injector.injectConnection(connection);
  }

  onModuleDestroy(): void {
    this.server.forceShutdown();
  }

  /** Without a frontend the client runs one itself, through {@link bridge}. */
  private async solve(call: ServerUnaryCall<SolveRequest, SolveResponse>): Promise<SolveResponse> {
    const { request } = call;
    const solve = this.find(request.ref);
    solve.begin(request);
    call.on('cancelled', () => solve.cancel());
    try {
      if (request.frontend !== '') {
        await this.run(request.ref, request.frontend, request.frontendAttrs).then(
          ({ imageId }) => solve.finish(imageId),
          (error: unknown) => solve.fail(error),
        );
      }
      const id = await solve.result;
      return {
        exporterResponse: {
          'containerimage.config.digest': id,
          'containerimage.digest': id,
          'image.name': request.exporterAttrs['name'] ?? '',
          ...solve.response,
        },
      };
    } finally {
      this.forget(request.ref, solve);
    }
  }

  /** A client solves the frontend: it gets a name for the result. */
  private async bridge(call: ServerUnaryCall<BridgeRequest, BridgeResponse>): Promise<BridgeResponse> {
    const { ref, solve } = this.solveOf(call);
    call.on('cancelled', () => solve.cancel());
    const { frontend, frontendOpt, frontendInputs } = call.request;
    const { imageId, description } = await this.run(ref, frontend, withInputs(frontendOpt, frontendInputs));
    if (!description) return { result: { ref: refOf(imageId), metadata: {} } };
    const texts = Object.entries(description).map(([name, text]) => [name, Buffer.from(text)] as const);
    return { result: { ref: undefined, metadata: Object.fromEntries(texts) } };
  }

  /** A client says what the build's result is: nothing, where it came only to see what there is. */
  private async giveBack(call: ServerUnaryCall<ReturnRequest, ReturnResponse>): Promise<ReturnResponse> {
    const { solve } = this.solveOf(call);
    const { result, error } = call.request;
    if (error) solve.fail(new BuildFailure(new Error(error.message), error.details));
    else solve.finish(result?.ref?.id ?? '');
    return {};
  }

  private solveOf(call: { metadata: Metadata }): { ref: string; solve: RunningSolve } {
    const ref = String(call.metadata.get(BUILD_ID)[0] ?? '');
    if (ref === '') throw invalidArgument('the call does not name its build');
    return { ref, solve: this.find(ref) };
  }

  private async run(ref: string, frontend: string, attributes: Record<string, string>): Promise<Built> {
    const solve = this.find(ref);
    const { exporter, exporterAttrs, session, cache } = await solve.request;
    const build = frontendBuild(frontend, attributes, {
      type: exporter,
      attributes: exporterAttrs,
      cacheExports: (cache?.exports ?? []).map(({ type, attrs }) => ({ type, attributes: attrs })),
    });
    const tell = (update: StatusResponse) => solve.tell(update);
    const built = await this.builds.run({ ...build, ref, sessionId: session }, tell, solve.gone.signal);
    solve.response = built.response;
    return built;
  }

  private async status(call: ServerWritableStream<StatusRequest, StatusResponse>): Promise<void> {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    for await (const update of this.find(call.request.ref).watch(gone.signal)) call.write(update);
    call.end();
  }

  /** A client asks for a build and watches it at once: whoever comes first makes it. */
  private find(ref: string): RunningSolve {
    const known = this.solves.get(ref);
    if (known) return known;
    const solve = new RunningSolve();
    this.solves.set(ref, solve);
    return solve;
  }

  private forget(ref: string, solve: RunningSolve): void {
    const later = () => {
      if (this.solves.get(ref) === solve) this.solves.delete(ref);
    };
    setTimeout(later, KEPT_MS).unref();
  }

  /** What `host-gateway` of an added host means; empty: there is no default bridge. */
  private async hostGateway(): Promise<string> {
    try {
      const bridge = await this.services.networks.inspect({ network: 'bridge', verbose: false, scope: '' });
      const { IPAM } = fromJson<{ IPAM?: { Config?: { Gateway?: string }[] | null } }>(bridge);
      return IPAM?.Config?.[0]?.Gateway ?? '';
    } catch {
      return '';
    }
  }

  private workers(hostGateway: string): ListWorkersResponse {
    return {
      record: [
        {
          id: 'gantry',
          labels: {
            'org.mobyproject.buildkit.worker.executor': 'containerd',
            'org.mobyproject.buildkit.worker.hostname': hostname(),
            'org.mobyproject.buildkit.worker.network': 'host',
            // What clients take for a builder that can write caches and archives (buildx, driver/docker).
            'org.mobyproject.buildkit.worker.snapshotter': 'overlayfs',
            'org.mobyproject.buildkit.worker.moby.host-gateway-ip': hostGateway,
          },
          platforms: [
            { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', variant: '' },
          ],
          buildkitVersion: VERSION,
        },
      ],
    };
  }

  private async usage(): Promise<UsageRecord[]> {
    const records = fromJson<CacheRecord[]>(await this.services.buildCache.list({}));
    return records.map(usageRecord);
  }

  private async prune(call: ServerWritableStream<PruneRequest, UsageRecord>): Promise<void> {
    try {
      const { all, keepBytes, keepDuration, filter } = call.request;
      const wanted = (await this.usage()).filter(matcherOf(filter));
      const before = new Map(wanted.map((record) => [record.id, record]));
      const { CachesDeleted } = fromJson<{ CachesDeleted?: string[] | null }>(
        await this.services.buildCache.prune({
          all,
          reservedSpace: keepBytes,
          maxUsedSpace: 0,
          minFreeSpace: 0,
          filters: {
            terms: {
              ...(filter.some(Boolean) && { id: { values: ids(wanted) } }),
              ...(keepDuration > 0 && { until: { values: [`${keepDuration}ns`] } }),
            },
          },
        }),
      );
      for (const id of CachesDeleted ?? []) {
        const record = before.get(id);
        if (record) call.write(record);
      }
      call.end();
    } catch (error) {
      // What grpc-js makes the status of a stream.
      call.emit('error', { code: status.UNKNOWN, details: messageOf(error) });
    }
  }
}

/** Where nothing matches, an id that no record has. */
const ids = (records: UsageRecord[]): string[] =>
  records.length === 0 ? ['none'] : records.map(({ id }) => id);

/** API: BuildCache. */
interface CacheRecord {
  ID: string;
  Type: string;
  Description: string;
  InUse: boolean;
  Shared: boolean;
  Size: number;
  CreatedAt: string;
  LastUsedAt?: string | null;
  UsageCount: number;
  Parents?: string[] | null;
}

const VERSION = { package: 'gantry', version: ENGINE_VERSION, revision: '' };

function usageRecord(record: CacheRecord): UsageRecord {
  const time = (text: string) => {
    const ms = Date.parse(text);
    return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
  };
  return {
    id: record.ID,
    mutable: false,
    inUse: record.InUse,
    size: record.Size,
    createdAt: time(record.CreatedAt),
    lastUsedAt: record.LastUsedAt ? time(record.LastUsedAt) : undefined,
    usageCount: record.UsageCount,
    description: record.Description,
    recordType: record.Type,
    shared: record.Shared,
    parents: record.Parents ?? [],
  };
}

function unary<Request, Response>(
  handle: (call: ServerUnaryCall<Request, Response>) => Promise<Response>,
): (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => void {
  return (call, callback) => {
    handle(call).then(
      (response) => callback(null, response),
      (error: unknown) => callback(failedCall(error)),
    );
  };
}
