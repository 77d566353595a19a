import type { ServerWritableStream } from '@grpc/grpc-js';
import { Injectable } from '@nestjs/common';
import type { Output } from '@gantry/proto/common';
import type { LogsRequest, LogsResponse, ShortLogsResponse } from '@gantry/proto/container';
import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import { writeMessage } from '@gantry/shared/grpc';
import { ContainerLifecycleEvents } from '../lifecycle/container-lifecycle-events';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { FileChanges } from '../file-changes';
import { detailsText, logAttributes } from '../log-drivers/log-attributes';
import { LogDeliveries } from '../log-drivers/log-deliveries';
import { canBeRead } from '../log-drivers/log-drivers';
import { currentSize, LogCursor, tailOf, type LogFiles } from './log-files';
import { LogOutput, type LogSelection } from './log-output';
import { boundaryTime } from './log-record';
import { LogRotation } from './log-rotation';
import { outputTurn } from './output-turns';

/** What a busy container writes in this time goes to a follower together. */
const GATHER_MS = 5;

/** What is given in one answer: so many bytes, of no more lines where lines are asked for. */
const SHORT = 64 * 1024;
const FEW_LINES = 1_000;

/** Reads what containers wrote (API: ContainerLogs). */
@Injectable()
export class LogsService {
  /** Those who follow a container's log, told when it ends. */
  private readonly followers = new Map<string, Set<() => void>>();

  constructor(
    private readonly store: ContainerStore,
    private readonly rotation: LogRotation,
    private readonly deliveries: LogDeliveries,
    lifecycle: ContainerLifecycleEvents,
  ) {
    const ended = (record: ContainerRecord) => this.followers.get(record.id)?.forEach((end) => end());
    lifecycle.listen({
      exited: (record) => void this.deliveries.finish(record).then(() => ended(record)),
      removed: ended,
    });
  }

  /** RPC Logs. A follower's stream ends with the container's run, after its last line. */
  async logs(call: ServerWritableStream<LogsRequest, LogsResponse>): Promise<void> {
    const request = call.request;
    const { record, selection } = this.asked(request);
    if (!(await writeMessage(call, { message: { $case: 'started', value: { tty: record.config.Tty } } })))
      return;

    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    for await (const output of this.read(record, selection, request.tail, request.follow, gone.signal)) {
      if (!(await writeMessage(call, { message: { $case: 'output', value: output } }))) return;
    }
  }

  /** RPC ShortLogs. */
  async shortLogs(request: LogsRequest): Promise<ShortLogsResponse> {
    const { record, selection } = this.asked(request);
    const long = { complete: false, started: undefined, output: [] };
    if (isNumber(request.tail) ? Number(request.tail) > FEW_LINES : this.isLong(record)) return long;
    const output: Output[] = [];
    let size = 0;
    for await (const piece of this.read(record, selection, request.tail, false, NEVER)) {
      size += piece.data.length;
      if (size > SHORT) return long;
      output.push(piece);
    }
    return { complete: true, started: { tty: record.config.Tty }, output };
  }

  /** @throws NotFound, InvalidArgument, and NotImplemented for a driver whose lines cannot be read */
  private asked(request: LogsRequest): { record: ContainerRecord; selection: LogSelection } {
    const record = this.store.resolve(request.container);
    if (!request.stdout && !request.stderr)
      throw invalidArgument("must specify at least one of 'stdout' or 'stderr'");
    if (!canBeRead(record.hostConfig.LogConfig))
      throw notImplemented('configured logging driver does not support reading');
    return { record, selection: selectionOf(request, record) };
  }

  /** By a look at the files: each line has a time besides. */
  private isLong(record: ContainerRecord): boolean {
    const files = this.deliveries.filesOf(record);
    return (currentSize(files) ?? 0) > 2 * SHORT || files.rotated().length > 0;
  }

  /** What was logged, and with `follow` what comes until the container ends. `tail`: a number of lines, else all. */
  async *read(
    record: ContainerRecord,
    selection: LogSelection,
    tail: string,
    follow: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<Output> {
    await this.rotation.enforce(record);
    await this.deliveries.caughtUp(record);
    const files = this.deliveries.filesOf(record);
    const output = new LogOutput(selection, files.parse);
    const cursor = new LogCursor(files, isNumber(tail) ? await tailOf(files, Number(tail)) : undefined);
    const following = follow ? this.follow(record, files, selection.until, signal) : undefined;
    try {
      for (;;) {
        // Asked before reading: what was written before the end is then read for sure.
        const last = following?.ended() ?? true;
        let busy = false;
        for (;;) {
          if (following) await outputTurn();
          const block = await cursor.next();
          if (block.length === 0) break;
          busy = true;
          yield* output.render(block);
          if (output.finished || signal.aborted) return;
        }
        if (last || !following) return;
        await (busy ? following.changes.pause(GATHER_MS) : following.changes.next());
      }
    } finally {
      following?.stop();
      cursor.close();
    }
  }

  private follow(
    record: ContainerRecord,
    files: LogFiles,
    until: string | undefined,
    signal: AbortSignal,
  ): { changes: FileChanges; ended: () => boolean; stop: () => void } {
    const changes = new FileChanges(files.current);
    let ended = !record.state.Running;
    const end = (): void => {
      ended = true;
      changes.poke();
    };
    const followers = this.followers.get(record.id) ?? new Set();
    this.followers.set(record.id, followers.add(end));
    signal.addEventListener('abort', end);
    const untilMs = until === undefined ? Infinity : Date.parse(until) - Date.now();
    const timer = untilMs < 2 ** 31 ? setTimeout(end, Math.max(0, untilMs)) : undefined;
    return {
      changes,
      ended: () => ended,
      stop: () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        followers.delete(end);
        if (followers.size === 0 && this.followers.get(record.id) === followers)
          this.followers.delete(record.id);
        changes.close();
      },
    };
  }
}

const isNumber = (tail: string): boolean => /^\d+$/.test(tail);

const NEVER = new AbortController().signal;

function selectionOf(request: LogsRequest, record: ContainerRecord): LogSelection {
  for (const [name, value] of Object.entries({ since: request.since, until: request.until })) {
    if (value !== '' && !/^-?\d+(\.\d{1,9})?$/.test(value)) {
      throw invalidArgument(`invalid value for "${name}": ${value}`);
    }
  }
  return {
    stdout: request.stdout,
    stderr: request.stderr,
    since: boundaryTime(request.since),
    until: boundaryTime(request.until),
    timestamps: request.timestamps,
    details: request.details ? detailsText(logAttributes(record)) : undefined,
  };
}
