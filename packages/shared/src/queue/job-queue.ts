import { Queue, Worker, type ConnectionOptions, type Job } from 'bullmq';
import type { SessionAddress } from '../buildkit';
import type { InstanceConfig } from '../config';
import { redisOptions } from '../redis';

/** The queue of long operations on images. Its workers are the image-services of the node. */
export const IMAGE_QUEUE = 'image';

/** API: the parameters of ImageBuild. */
export interface BuildJob {
  /** The context as a tar archive, compressed or not. Empty where it is `remote`. */
  uploadId: string;
  /** URL of a git repository, an archive or a Dockerfile; empty: the upload. */
  remote: string;
  /** The path of the Dockerfile in the context. */
  dockerfile: string;
  /** The upload that is the Dockerfile, where it is not the context's. Empty: it is. */
  dockerfileId: string;
  /** Names for the image, each with or without a tag. */
  names: string[];
  /** null: the value of the engine's environment, which has none. */
  arguments: Record<string, string | null>;
  labels: Record<string, string>;
  /** A stage's name or number; empty: the last one. */
  target: string;
  /** `linux/arm64`, or several with commas; empty: of what its base is here, or the host's. */
  platform: string;
  noCache: boolean;
  /** Names of stages that do without the cache. */
  noCacheStages: string[];
  /** Ask the registry for base images even where they are here. */
  pull: boolean;
  /** Only the id at the end. */
  quiet: boolean;
  /** Say that the containers of steps are removed. */
  removesContainers: boolean;
  squash: boolean;
  /** Only these images are the cache. */
  cacheFrom: string[];
  /** What is looked at beside the engine's own cache. */
  cacheImports: CacheImport[];
  /** Where the build's steps go for other engines. */
  cacheExports: CacheExport[];
  /** What stages and `--from` find under a name, in lower case, before stages and images of that name. */
  contexts: Record<string, NamedContext>;
  /** Where the result goes instead of the engine's images; undefined: it becomes one of them. */
  export?: BuildExport;
  networkMode: string;
  /** `name:ip` */
  extraHosts: string[];
  limits: BuildLimits;
  /** Where secrets and SSH agents come from, and what is exported goes; undefined: there is no session. */
  session?: SessionAddress;
  /** The upload that holds the header X-Registry-Config. Empty: nobody. */
  credentialsId: string;
  /** What is wanted to be known of the Dockerfile instead of an image: no context is needed where `dockerfileId` is it. */
  describe?: 'lint' | 'outline' | 'targets';
  /**
   * Asked for by a client of BuildKit: it is told of vertexes instead of steps, and what checks find in the Dockerfile, which
   * may want that to end the build.
   */
  isForBuildKit?: boolean;
  /** Patterns of what the client has left out of the context, for the checks; undefined: nobody knows. */
  ignored?: string[];
}

/** Files, or an image in the place of another. */
export type NamedContext =
  | { kind: 'upload'; uploadId: string }
  /** URL of a git repository or an archive. */
  | { kind: 'remote'; url: string }
  | { kind: 'image'; reference: string }
  /** An image in a content store that the client offers under this name. */
  | { kind: 'layout'; store: string; digest: string };

/** A name in a registry: a cache or an image. Or a cache in a content store that the client offers under this name. */
export type CacheImport =
  { kind: 'registry'; reference: string } | { kind: 'client'; store: string; digest: string };

export interface CacheExport {
  to: { kind: 'registry'; reference: string } | { kind: 'client'; store: string };
  /** BuildKit's mode: the steps of the last stage (and of those it is built on), or those of all. */
  mode: 'min' | 'max';
  /** An OCI image manifest, or an index that names layers, which the oldest readers know. */
  manifest: 'image' | 'index';
  /** The build goes on where it cannot be written. */
  ignoresErrors: boolean;
}

/** BuildKit's exporters to a client. `names`: of the image in the archive. */
export interface BuildExport {
  type: 'tar' | 'local' | 'docker' | 'oci';
  names: string[];
}

/** Limits of RUN, with the meaning they have in HostConfig; 0 and empty: none. */
export interface BuildLimits {
  memory: number;
  memorySwap: number;
  cpuShares: number;
  cpuPeriod: number;
  cpuQuota: number;
  cpusetCpus: string;
  cpusetMems: string;
  cgroupParent: string;
  shmSize: number;
  ulimits: { Name: string; Soft: number; Hard: number }[];
}

/** The names and data of the jobs on IMAGE_QUEUE. */
export interface ImageJobs {
  load: {
    uploadId: string;
    quiet: boolean;
    /** OCI platforms as JSON; none: the host's. */
    platformsJson: string[];
  };
  import: {
    /** `-`: the upload; else a URL. */
    source: string;
    /** Empty where the source is a URL. */
    uploadId: string;
    repository: string;
    tag: string;
    message: string;
    changes: string[];
    platform: string;
  };
  pull: {
    /** As the user gave it, without the tag. */
    repository: string;
    /** Tag or digest; empty: all tags. */
    tag: string;
    platform: string;
    /** The upload that holds the header X-Registry-Auth, which must not lie in Redis. Empty: nobody. */
    credentialsId: string;
  };
  push: {
    repository: string;
    /** Empty: all tags of the repository. */
    tag: string;
    /** OCI platform as JSON, or empty. */
    platformJson: string;
    credentialsId: string;
  };
  build: BuildJob;
  check: {
    repair: boolean;
    /** Of all containers there are; missing: nobody could say. */
    containerIds?: string[];
  };
}

export type ImageJobName = keyof ImageJobs;

/** The ids of all uploads that the data of a job names. */
export function uploadsOf(data: object): string[] {
  const { uploadId, credentialsId, dockerfileId, contexts } = data as Partial<BuildJob>;
  const ofContexts = Object.values(contexts ?? {}).map((one) => (one.kind === 'upload' ? one.uploadId : ''));
  return [uploadId, credentialsId, dockerfileId, ...ofContexts].filter((id): id is string => Boolean(id));
}

/** BullMQ's key prefix: the instance's, and the node's, since bytes and layers are on the node's disk. */
const queuePrefix = (config: InstanceConfig): string => `${config.redisPrefix}queue:${config.nodeId}`;

export function openQueue(config: InstanceConfig, name: string): Queue {
  return new Queue(name, {
    connection: redisOptions(config.redisUrl) as ConnectionOptions,
    prefix: queuePrefix(config),
    defaultJobOptions: {
      attempts: 3,
      backoff: { type: 'fixed', delay: 100 },
      // Not `true`: a waiter would find the key gone.
      removeOnComplete: { count: 1000 },
      removeOnFail: { count: 1000 },
    },
  });
}

/**
 * Takes jobs of the queue. `workerName` goes with each job that it takes (`processedBy`). A job whose worker does not say that
 * it lives is taken up again after 15 s at most; sooner by whoever knows that the worker is dead.
 */
export function openWorker(
  config: InstanceConfig,
  name: string,
  options: { concurrency: number; workerName: string },
  process: (job: Job, token: string) => Promise<unknown>,
): Worker {
  return new Worker(name, (job, token) => process(job, token ?? ''), {
    connection: redisOptions(config.redisUrl) as ConnectionOptions,
    prefix: queuePrefix(config),
    concurrency: options.concurrency,
    name: options.workerName,
    lockDuration: 10_000,
    stalledInterval: 5_000,
    // A job that has been begun so often and never ended is what ends its workers.
    maxStalledCount: 20,
    maxStartedAttempts: 20,
  });
}

/** To be thrown by a job's function that has given its job back with `moveToWait`. */
export { WaitingError } from 'bullmq';
