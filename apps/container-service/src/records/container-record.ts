import type { IdMapping } from '@gantry/shared/linux';
import type {
  ContainerConfig,
  ContainerState,
  EndpointSettings,
  HostConfig,
  MountPoint,
  NetworkSettings,
} from './api-documents';

/** A mount of a container: what inspect shows, and what start has to do for it. */
export interface ContainerMount extends MountPoint {
  /** Copy what the image has at the destination into the volume where it is empty. */
  copyUp: boolean;
  /** Make the source directory where it does not exist (`-v`, not `--mount`). */
  createSource: boolean;
  /** Also the mounts below the source. */
  recursive: boolean;
  /** Whether a read-only mount takes the mounts below its source along. Of older records: `wanted`. */
  readonlyBelow?: 'no' | 'wanted' | 'required';
  /** Nobody asked for this propagation: where the source cannot have it, the mount is private. */
  propagationByDefault?: boolean;
  /** The layer that shows an image: its id, as containers' layers have it. */
  layer?: string;
  /** Directory inside the volume or image. */
  subpath?: string;
  /** Of a volume, since it was last mounted: a directory whose files have the owners that containers see. */
  plain?: boolean;
  /** Made for this container: `rm -v` takes it. */
  anonymous: boolean;
}

/** The processes of a container that was started, named so that a recycled pid is never taken for one of them. */
export interface ContainerProcess {
  pid: number;
  /** Clock ticks since boot (`linux.processes.startTime`). */
  startTime: number;
  monitorPid: number;
  monitorStartTime: number;
  /** Has hooks that only the runtime's own commands run. */
  hooked?: boolean;
  /** Which OCI runtime made it; its state is in `MonitorPaths.runtimeRoot(runtime)`. */
  runtime: string;
  /** Below the root of every hierarchy: `/gantry/<id>`. */
  cgroup: string;
  /** Of the host: another one means that everything is gone. */
  bootId: string;
  /** Which ids of the host its users are; absent: they are the host's own. */
  idMapping?: IdMapping;
}

/**
 * Everything that is known of a container, as `containers/<id>/container.json` has it. The API's documents keep the
 * API's names. The one object in memory is changed in place by whoever holds the container's lock, then persisted.
 */
export interface ContainerRecord {
  /** 64 hex digits. */
  id: string;
  /** Without the leading slash. */
  name: string;
  /** RFC 3339 with nanoseconds. */
  created: string;
  platform: string;
  /** sha256:... */
  imageId: string;
  imageManifestDescriptor?: object;
  /** Entrypoint and command in one: what is executed. */
  path: string;
  args: string[];
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** What the user asked for, by network as the user named it. Empty for host, none and container: modes. */
  endpoints: Record<string, EndpointSettings>;
  /** What the network service answered last; of a container that does not run, without addresses. */
  networkSettings: NetworkSettings;
  mounts: ContainerMount[];
  state: ContainerState;
  /** By the restart policy, since it was last started by hand. */
  restartCount: number;
  /** Stopped by a person: `unless-stopped` leaves it so. */
  stoppedByUser: boolean;
  /** When a person last sent it a signal that may have been meant to end it: milliseconds since 1970. */
  signalledAt?: number;
  /** Of AppArmor, at the last start. */
  appArmorProfile?: string;
  /** Where the root file system gets mounted. */
  rootfs: string;
  /** API: DriverData, as the image service answered at the last mount. */
  graphDriver?: object;
  process?: ContainerProcess;
  /** It ended, and what its run took (mounts, network, cgroup) has still to be given back. */
  cleanupPending?: boolean;
  /** Its removal has begun: with its anonymous volumes or without. */
  removal?: { volumes: boolean };
}

export const NEVER = '0001-01-01T00:00:00Z';
