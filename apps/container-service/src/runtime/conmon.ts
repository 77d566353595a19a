import { closeSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { internal, unavailable } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { MonitorPaths } from './monitor-paths';
import type { RuntimeChoice } from './runtimes';

export interface MonitorRequest {
  id: string;
  name: string;
  runtime: RuntimeChoice;
  terminal: boolean;
  stdin: boolean;
  /** The container's stdin stays open when the client that was attached to it goes. */
  keepStdin: boolean;
  /** `none`, or the k8s-file log with a size in bytes at which conmon begins it anew. */
  log: { kind: 'none' } | { kind: 'file'; maxSize?: number };
}

export interface MonitorStarted {
  pid: number;
  monitorPid: number;
}

/** The runtime refused to make the container; `message` is what it wrote. */
export class RuntimeCreateError extends Error {}

/** `{"data":pid}` or `{"data":-1,"message":...}`. */
interface SyncMessage {
  data?: number;
  message?: string;
}

/** conmon(8): starts the monitor of a container, which makes the runtime create it. It outlives this process. */
@Injectable()
export class Conmon {
  private path?: string;

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
  ) {}

  /** Resolves when the container is created, its process waiting to begin. @throws RuntimeCreateError */
  async create(request: MonitorRequest): Promise<MonitorStarted> {
    this.path ??= this.linux.host.which('conmon');
    if (!this.path) throw unavailable('conmon is not installed on this host');
    const bundle = this.paths.bundle(request.id);
    const monitorPidFile = join(bundle, 'conmon.pid');
    rmSync(monitorPidFile, { force: true });
    const [read, write] = this.linux.processes.pipe();
    let launcher: number;
    try {
      launcher = this.linux.processes.spawn({
        path: this.path,
        argv: this.arguments(request, bundle, monitorPidFile),
        env: { ...request.runtime.env, _OCI_SYNCPIPE: '3' },
        cwd: bundle,
        fds: { 3: write },
      });
    } catch (error) {
      closeSync(read);
      throw error;
    } finally {
      closeSync(write);
    }
    const [line] = await Promise.all([
      this.linux.processes.readLine(read),
      this.linux.processes.wait(launcher), // it forks the monitor and ends
    ]);
    const answer = parse(line);
    if (!answer.data || answer.data <= 0) {
      throw new RuntimeCreateError(answer.message ?? 'the monitor ended without a word');
    }
    return { pid: answer.data, monitorPid: Number(readFileSync(monitorPidFile, 'utf8')) };
  }

  private arguments(request: MonitorRequest, bundle: string, monitorPidFile: string): string[] {
    const { id, runtime, log } = request;
    const flags = [
      ...(this.config.cgroupDriver === 'systemd' ? ['--systemd-cgroup'] : []),
      ...(request.terminal ? ['-t'] : []),
      ...(request.stdin ? ['-i'] : []),
      ...(request.stdin && request.keepStdin ? ['--leave-stdin-open'] : []),
      ...(log.kind === 'file' && log.maxSize ? ['--log-size-max', String(log.maxSize)] : []),
    ];
    return [
      'conmon',
      ...['--api-version', '1'],
      ...['-c', id, '-u', id, '-n', request.name],
      ...['-b', bundle],
      ...['-r', runtime.path, '--runtime-arg', `--root=${this.paths.runtimeRoot(runtime.name)}`],
      ...['-p', join(bundle, 'pid'), '-P', monitorPidFile],
      ...['-l', log.kind === 'none' ? 'none' : `k8s-file:${this.paths.log(id)}`],
      ...['--exit-dir', this.paths.exits, '--socket-dir-path', this.paths.sockets],
      '--no-new-keyring',
      '--no-sync-log',
      ...flags,
    ];
  }
}

function parse(line: string): SyncMessage {
  try {
    return JSON.parse(line) as SyncMessage;
  } catch (error) {
    throw internal(`conmon: ${line || 'no answer'}`, error);
  }
}
