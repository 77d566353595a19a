import { closeSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { faultPoint } from '@gantry/shared/faults';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { type OciSpec, refuseMountsOnProc, runtimeDocument, startFailure } from '@gantry/shared/oci';
import { makerOf } from '../../process-names';
import { RUN_PREFIX, RunRuntimes } from './run-runtime';

export interface RunOrder {
  /** Unique on this host; says which process asked. */
  name: string;
  /** Where its files may lie: gone with the step. */
  bundle: string;
  /** A path from the root of each hierarchy; empty: the instance's own. */
  cgroupParent: string;
  spec: (facts: { cgroup: string } & Awaited<ReturnType<RunRuntimes['choose']>>) => OciSpec;
}

const KILL_AGAIN_MS = 20;
/** What crun says in the place of a process that it could not begin; it is in its log too. */
const RUNTIME_WORDS = /^(executable file|open|exec) `/;

/** The output is not read on before a promise that it gives is settled. */
export type OnOutput = (stream: 'stdout' | 'stderr', text: string) => Promise<void> | undefined;

/** Runs the process of a RUN in a runtime sandbox: no record, no monitor; it ends with whoever waits for it. */
@Injectable()
export class RunProcesses {
  constructor(
    @Inject(RunRuntimes) private readonly runtimes: RunRuntimes,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /**
   * The exit code. Nothing of it is left when this returns or throws.
   * @throws what the runtime says where the process did not begin; the signal's reason
   */
  async run(
    { name, bundle, cgroupParent, spec }: RunOrder,
    onOutput: OnOutput,
    signal: AbortSignal,
  ): Promise<number> {
    signal.throwIfAborted();
    const runtime = await this.runtimes.choose();
    const cgroup = this.runtimes.place(name, cgroupParent);
    const specification = spec({ ...runtime, cgroup });
    refuseMountsOnProc(specification);
    writeFileSync(join(bundle, 'config.json'), runtimeDocument(specification));
    const log = join(bundle, 'runtime.log');
    const argv = [runtime.path, '--root', this.runtimes.state, '--log', log, 'run', '--bundle', bundle, name];
    const { processes } = this.linux;
    let hasEnded = false;
    const [outRead, outWrite] = processes.pipe();
    const [errRead, errWrite] = processes.pipe();
    try {
      const pid = processes.spawn({
        path: runtime.path,
        argv,
        env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
        cwd: bundle,
        fds: { 1: outWrite, 2: errWrite },
      });
      closeSync(outWrite);
      closeSync(errWrite);
      const kill = () => void this.killUntil(() => hasEnded, pid, cgroup);
      signal.addEventListener('abort', kill, { once: true });
      let doubtful = '';
      const onError: OnOutput = (stream, text) => {
        if (!RUNTIME_WORDS.test(text)) return onOutput(stream, text);
        doubtful += text;
        return undefined;
      };
      const output = [
        this.read(outRead, 'stdout', onOutput, signal),
        this.read(errRead, 'stderr', onError, signal),
      ];
      faultPoint('build-run-started');
      const [{ code }] = await Promise.all([processes.wait(pid), ...output]);
      signal.removeEventListener('abort', kill);
      signal.throwIfAborted();
      if (code !== 0) this.checkStarted(log, specification.process.args);
      if (doubtful !== '') void onOutput('stderr', doubtful);
      return code ?? 137;
    } finally {
      hasEnded = true;
      await this.clear(name);
    }
  }

  /** The names of processes that run, or have left something, for a build of a process that is gone. */
  abandoned(): string[] {
    const { state } = this.runtimes;
    const groups = Object.values(this.linux.cgroups.directories(this.runtimes.cgroup()));
    const names = new Set([...[state, ...groups].flatMap(directoriesIn), ...this.runtimes.placed()]);
    return [...names].filter((name) => makerOf(this.linux, name, RUN_PREFIX) === 'gone');
  }

  /** Ends what runs for builds of processes that are gone. */
  async endAbandoned(): Promise<void> {
    for (const name of this.abandoned()) await this.clear(name);
  }

  /** Ends what is left of a process and forgets it. */
  async clear(name: string): Promise<void> {
    const cgroup = this.runtimes.cgroup(name);
    await this.linux.cgroups.killAll(cgroup);
    await this.linux.cgroups.remove(cgroup);
    rmSync(join(this.runtimes.state, name), { recursive: true, force: true });
    this.runtimes.forget(name);
  }

  /** Again and again: the runtime may be just about to make the process. */
  private async killUntil(hasEnded: () => boolean, pid: number, cgroup: string): Promise<void> {
    while (!hasEnded()) {
      this.linux.processes.signal(pid, 'SIGKILL');
      await this.linux.cgroups.killAll(cgroup);
      await pause(KILL_AGAIN_MS);
    }
  }

  private read(
    fd: number,
    stream: 'stdout' | 'stderr',
    onOutput: OnOutput,
    signal: AbortSignal,
  ): Promise<void> {
    const decoder = new StringDecoder('utf8');
    const tell = (text: string) => (text === '' ? undefined : onOutput(stream, text));
    return new Promise((resolve, reject) => {
      const reader = this.linux.processes.reader(fd);
      // Nobody takes the output of what is ended any more, but its end has to be seen.
      const readOn = () => reader.resume();
      signal.addEventListener('abort', readOn, { once: true });
      reader.on('data', (bytes: Buffer) => {
        const room = tell(decoder.write(bytes));
        if (!room || signal.aborted) return;
        reader.pause();
        void room.then(readOn);
      });
      reader.once('error', reject);
      reader.once('close', () => {
        signal.removeEventListener('abort', readOn);
        void tell(decoder.end());
        resolve();
      });
    });
  }

  /** The runtime has a log of its own: what the process says is the process's. */
  private checkStarted(log: string, args: string[]): void {
    const said = existsSync(log) ? readFileSync(log, 'utf8').trim() : '';
    if (said !== '') throw startFailure(said, args).error;
  }
}

function directoriesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name.startsWith(RUN_PREFIX))
      .map((entry) => entry.name);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
