// Types of instance.mjs for the tests and the bench, which are TypeScript.

export interface StartOptions {
  /** Default: GANTRY_INSTANCE, then `gantry`. */
  name?: string;
  runDir?: string;
  dataRoot?: string;
  /** `unix:///path` or `tcp://host:port`; the first is the one reported. */
  hosts?: string[];
  /** Where configuration is read from and what the services get. Default: process.env. */
  env?: NodeJS.ProcessEnv;
  /** The processes' output is appended here instead of being written to stdout. */
  logFile?: string;
  quiet?: boolean;
  /** Service to the file that is run instead of its build, for tests of the supervisor. */
  entries?: Record<string, string>;
}

export interface SupervisedProcess {
  readonly name: string;
  /** Of the running process; undefined between two. */
  readonly pid: number | undefined;
  readonly restarts: number;
  /** Waits for a ready process other than `notPid`; gives its pid. `limit` in milliseconds, default 60,000. */
  ready(options?: { notPid?: number; limit?: number }): Promise<number>;
  /** Default SIGKILL. Gives the pid that was signalled. The process is restarted when it ends. */
  kill(signal?: NodeJS.Signals): number | undefined;
  /** Another process takes over; the old one finishes what it has begun. Resolves with the pid of the new one. */
  replace(): Promise<number>;
  stop(limit?: number): Promise<void>;
}

export interface Instance {
  readonly names: {
    name: string;
    runDir: string;
    dataRoot: string;
    hosts: string[];
    databaseUrl: string;
    redisUrl: string;
  };
  /** What a service of this instance is started with. */
  readonly env: NodeJS.ProcessEnv;
  /** The gateway's first address, as DOCKER_HOST takes it. */
  readonly dockerHost: string;
  /** `image-service`, `api-gateway`, `postgres`, `redis`, or a name given to `add`. */
  process(name: string): SupervisedProcess;
  processes(): { name: string; pid: number | undefined; restarts: number }[];
  /** Starts one more process of a service; resolves when it is ready. */
  add(service: string, options: { as: string; env: NodeJS.ProcessEnv }): Promise<SupervisedProcess>;
  /** Restarts one service after the other, with these settings. */
  restart(env: NodeJS.ProcessEnv): Promise<void>;
  /** Stops every process in reverse order. Containers keep running. */
  stop(): Promise<void>;
}

/** Resolves when every service is ready. */
export function startInstance(options?: StartOptions): Promise<Instance>;
