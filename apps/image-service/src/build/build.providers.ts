import type { Provider } from '@nestjs/common';
import { BuildContexts } from '../context/build-contexts';
import { Transfers } from '../copy/transfers';
import { BaseImages } from './base-images';
import { BuildExports } from './export/build-exports';
import { BuildImages } from './build-images';
import { BuildJobs } from './build-jobs';
import { ClientLayouts } from './client-layouts';
import { CopyStep } from './copy-step';
import { PlatformImages } from './platforms/platform-images';
import { RunMounts } from './run/run-mounts';
import { RunNetworks } from './run/run-network';
import { RunProcesses } from './run/run-process';
import { RunRuntimes } from './run/run-runtime';
import { SessionMounts } from './run/session-mounts';
import { ThrowawayMounts } from './run/throwaway-mounts';
import { RunStep } from './run-step';
import { SourceSelection } from './source-selection';
import { SquashImage } from './squash/squash-image';
import { StageBuilder } from './stage-builder';
import { BuildCacheController } from './cache/build-cache.controller';
import { CacheDirectories } from './cache/cache-directories';
import { CacheRecords } from './cache/cache-records';
import { CacheSources } from './cache/cache-sources';
import { CacheExports } from './cache/remote/cache-exports';
import { CacheImports } from './cache/remote/cache-imports';
import { PruneBuildCache } from './cache/prune-build-cache';
import { DockerfileReports } from '../dockerfile-reports/dockerfile-reports';
import { StepCache } from './cache/step-cache';
import { StepDirectories } from './step-directories';
import { StepExecutor } from './step-executor';
import { WorkdirStep } from './workdir-step';

export const buildProviders: Provider[] = [
  StepDirectories,
  StepCache,
  CacheDirectories,
  CacheRecords,
  CacheSources,
  CacheImports,
  CacheExports,
  PruneBuildCache,
  BuildCacheController,
  StepExecutor,
  RunRuntimes,
  RunProcesses,
  RunNetworks,
  ThrowawayMounts,
  SessionMounts,
  BuildContexts,
  Transfers,
  SourceSelection,
  CopyStep,
  RunMounts,
  RunStep,
  WorkdirStep,
  BaseImages,
  StageBuilder,
  SquashImage,
  BuildExports,
  PlatformImages,
  ClientLayouts,
  BuildImages,
  BuildJobs,
  DockerfileReports,
];
