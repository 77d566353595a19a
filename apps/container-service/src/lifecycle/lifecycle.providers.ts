import { ContainerCleaner } from './container-cleaner';
import { ContainerCommitter } from './container-committer';
import { ContainerEvents } from './container-events';
import { ContainerExits } from './container-exits';
import { ContainerFiles } from './container-files';
import { ContainerLifecycleEvents } from './container-lifecycle-events';
import { ContainerLocks } from './container-locks';
import { ContainerPauser } from './container-pauser';
import { ContainerRemover } from './container-remover';
import { ContainerStarter } from './container-starter';
import { ContainerStopper } from './container-stopper';
import { ContainerUpdater } from './container-updater';
import { ContainerWaiters } from './container-waiters';
import { ImageMounts } from './image-mounts';
import { MountSources } from './mount-sources';
import { OomKills } from './oom-kills';
import { Reconciler } from './reconciler';
import { UserRemapping } from './user-remapping';
import { VolumeMounts } from './volume-mounts';

export const LIFECYCLE_PROVIDERS = [
  ContainerLifecycleEvents,
  ContainerEvents,
  ContainerLocks,
  ContainerWaiters,
  ContainerFiles,
  UserRemapping,
  ImageMounts,
  VolumeMounts,
  MountSources,
  ContainerCleaner,
  ContainerRemover,
  ContainerStarter,
  ContainerExits,
  OomKills,
  ContainerStopper,
  ContainerPauser,
  ContainerUpdater,
  ContainerCommitter,
  Reconciler,
];
