import type { Readable, Writable } from 'node:stream';

export interface SpawnOptions {
  /** Absolute path of the program. */
  path: string;
  /** With argv[0]. */
  argv: string[];
  env: Record<string, string>;
  cwd?: string;
  /** Descriptor in the child -> descriptor here. 0, 1 and 2 default to /dev/null; nothing else is inherited. */
  fds?: Record<number, number>;
  /** Own session, so that neither a terminal's nor our process group's signals reach it. Default true. */
  setsid?: boolean;
}

/** How a process ended: exactly one of the two is not null. */
export interface ExitStatus {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunOptions {
  /** Default: PATH only. */
  env?: Record<string, string>;
  cwd?: string;
  stdin?: string | Buffer;
  /** The content of its stdin as a file that has no name, for programs that take no pipe. */
  stdinFile?: string;
  /** After that the whole session is killed. Default 60 000 ms. */
  timeoutMs?: number;
  /** Bytes kept of each of stdout and stderr, the rest is read and dropped. Default 1 MiB. */
  maxOutput?: number;
}

export interface RunResult extends ExitStatus {
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

/** Host programs and processes, from any thread; a child is waited for in the thread that spawned it. */
export interface Processes {
  /**
   * posix_spawn(3): about 0.1 ms whatever the size of this process. All signals at their default, none blocked.
   * The child is reaped whether or not anybody calls {@link wait}. Returns its pid.
   */
  spawn(options: SpawnOptions): number;
  /** How a child of {@link spawn} ended. Call it once; an answer nobody asks for is dropped after a minute. */
  wait(pid: number): Promise<ExitStatus>;
  /** Runs a program (looked up in PATH unless it has a slash) to its end. A non-zero code is an answer, not an error. */
  run(argv: string[], options?: RunOptions): Promise<RunResult>;
  /** pipe2(O_CLOEXEC): [read end, write end]. */
  pipe(): [number, number];
  /** kill(2). False when there is no such process. A negative pid is a process group. */
  signal(pid: number, signal: NodeJS.Signals | number): boolean;
  /** O_CLOEXEC descriptor that stands for this very process; undefined when it does not exist. */
  openPidfd(pid: number): number | undefined;
  /** pidfd_send_signal(2): cannot hit a recycled pid. False when the process is gone. */
  signalPidfd(pidfd: number, signal: NodeJS.Signals | number): boolean;
  /**
   * Resolves when a process, child or not, has ended. With `startTime`, a process of that pid started at another time
   * counts as ended.
   */
  waitForExit(pid: number, options?: { startTime?: number; signal?: AbortSignal }): Promise<void>;
  /** Clock ticks from boot to the start of the process; with the pid it names a process for good. */
  startTime(pid: number): number | undefined;
  /** Whether the process exists and is no zombie; with `startTime`, that it is still the same one. */
  isAlive(pid: number, startTime?: number): boolean;
  /** A stream over a pipe or socket descriptor, which it closes when it ends or is destroyed. */
  reader(fd: number): Readable;
  /** A stream into a pipe or socket descriptor, which it closes when it has ended or is destroyed. */
  writer(fd: number): Writable;
  /** The first line without its newline, or what came before the end. Closes the descriptor. */
  readLine(fd: number): Promise<string>;
  /** Everything to the end, at most `maxBytes` (default 1 MiB) of it kept. Closes the descriptor. */
  readAll(fd: number, maxBytes?: number): Promise<Buffer>;
}
