import type { BuildJob } from '@gantry/shared/queue';
import type { SourceTree } from '../context/source-tree';
import type { BuildArguments } from '../dockerfile/build-arguments';
import type { EscapeToken } from '../dockerfile/dockerfile';
import type { Platform } from '../images/image-config';
import type { BuildOutput } from './build-output';
import type { BuiltImage } from './built-image';
import type { CacheFrom } from './cache/cache-sources';
import type { ImportedCaches } from './cache/remote/imported-caches';
import type { CachedStep } from './cache/step-cache';
import type { RegistryConfig } from './registry-config';
import type { BuildNetworks } from './run/run-network';
import type { ClientSession } from './session/client-session';

/** What all steps of one build share. */
export interface BuildScope {
  request: BuildJob;
  jobId: string;
  /** When the job was asked for: what a second attempt makes is as old. */
  created: Date;
  signal: AbortSignal;
  arguments: BuildArguments;
  escape: EscapeToken;
  /** undefined: not asked for. */
  platform: Platform | undefined;
  /** SOURCE_DATE_EPOCH, in seconds: the time that images and all files of their new layers have. */
  epoch: number | undefined;
  context: {
    tree: SourceTree;
    /** A directory for whatever the build needs until its end. */
    scratch: string;
  };
  /** Files that stages and `--from` find under a name. */
  trees: ReadonlyMap<string, SourceTree>;
  registries: RegistryConfig;
  networks: BuildNetworks;
  session: ClientSession;
  /** Where only certain images are the cache. */
  cacheFrom: CacheFrom | undefined;
  /** What is looked at after the engine's own cache. */
  caches: ImportedCaches;
  /** Steps that were looked up ahead. */
  known: Map<string, CachedStep>;
  /** Cache keys of the steps that this build has used or is making. */
  keys: Set<string>;
  /** What it has used or made, by cache key. */
  steps: Map<string, DoneStep>;
  /** The stage or the image that an instruction takes files from. */
  source(reference: string, stageIndex: number, output: BuildOutput): Promise<BuiltImage>;
}

export interface DoneStep {
  before: BuiltImage;
  after: BuiltImage;
}

/** A step whose variables are put in. */
export interface PlannedStep {
  /** Whatever its result depends on besides the step before it; see stepKey. */
  inputs: object;
  createdBy: string;
  config: BuiltImage['document']['config'] & object;
  author?: string;
  /** For who builds. */
  note?: string;
  /** Changes files; missing: it changes none. Returns the new layer, where there is any. */
  perform?(): Promise<BuiltImage['layers'][number] | undefined>;
  /** Gives back what was opened for it, whether or not it was performed. */
  close?(): Promise<void>;
}
