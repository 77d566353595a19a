export type CgroupVersion = 'v1' | 'hybrid' | 'v2';

export interface CgroupLayout {
  /** `hybrid`: v1 controllers beside a v2 tree at /sys/fs/cgroup/unified. */
  version: CgroupVersion;
  /** Every controller a container can be limited with, e.g. `['cpu', 'memory', 'pids']`. */
  controllers: string[];
  /** Where each hierarchy is mounted; on v2 (and for the unified tree of a hybrid host) the key is `unified`. */
  mounts: Record<string, string>;
}

/** Counters of one container. Times in nanoseconds, sizes in bytes. What the kernel does not offer is undefined. */
export interface CgroupStats {
  cpu: {
    usage: number;
    user: number;
    system: number;
    perCpu?: number[];
    periods: number;
    throttledPeriods: number;
    throttledTime: number;
  };
  memory: {
    usage: number;
    /** Not on v2 before 5.19. */
    maxUsage?: number;
    /** Number.MAX_SAFE_INTEGER or more means no limit: it is then undefined. */
    limit?: number;
    failures?: number;
    /** memory.stat as the kernel writes it. */
    stat: Record<string, number>;
  };
  pids: { current?: number; limit?: number };
  blkio: {
    ioServiceBytes: BlkioEntry[];
    ioServiced: BlkioEntry[];
  };
}

export interface BlkioEntry {
  major: number;
  minor: number;
  /** As the kernel names it: `Read`, `Write` ... on v1, `read` and `write` on v2. */
  op: string;
  value: number;
}

/**
 * Control groups, whichever of v1, hybrid and v2 the host has. A container's group is named by one path below the
 * root of every hierarchy, e.g. `/gantry/<id>`.
 */
export interface Cgroups {
  layout(): CgroupLayout;
  /** Mounts the v1 controllers a hybrid host lacks (crun refuses it otherwise). One sentence for each thing done. */
  prepareHost(): string[];
  /** The directory of `path` in each hierarchy, by the keys of {@link CgroupLayout.mounts}; existing or not. */
  directories(path: string): Record<string, string>;
  /** The directory that holds the files of one controller. undefined when the host lacks it. */
  directory(path: string, controller: string): string | undefined;
  /** The cgroup path a process is in, for one controller; undefined when it is gone. */
  pathOf(pid: number, controller: string): string | undefined;
  /** Contents of a control file without its last newline; undefined when there is none. */
  read(path: string, controller: string, file: string): string | undefined;
  write(path: string, controller: string, file: string, value: string): void;
  /** Removes the group and the groups below it in every hierarchy, waiting up to `timeoutMs` (2000) for its processes to go. */
  remove(path: string, timeoutMs?: number): Promise<void>;
  /** Resolves when every process is frozen. */
  freeze(path: string): Promise<void>;
  thaw(path: string): Promise<void>;
  isFrozen(path: string): boolean;
  /** All processes of the group and the groups below it. */
  pids(path: string): number[];
  /** SIGKILL to all of them, until none is left or `timeoutMs` (2000) are over. Returns whether none is left. */
  killAll(path: string, timeoutMs?: number): Promise<boolean>;
  stats(path: string): CgroupStats;
  /** How many processes the OOM killer took; 0 when the group is gone. */
  oomKills(path: string): number;
  /**
   * Calls back each time the OOM killer takes something of the group (v1: each time it is about to), until the returned function is
   * called or the group goes. What comes close together may be told once.
   */
  onOom(path: string, told: () => void): () => void;
}
