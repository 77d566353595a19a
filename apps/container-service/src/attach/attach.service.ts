import { writeFile } from 'node:fs/promises';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { Injectable } from '@nestjs/common';
import type { Empty, Output } from '@gantry/proto/common';
import type { AttachRequest, AttachResponse, AttachStart, ResizeRequest } from '@gantry/proto/container';
import { conflict, invalidArgument } from '@gantry/shared/errors';
import { incoming, writeMessage } from '@gantry/shared/grpc';
import type { AttachStream } from '@gantry/shared/linux';
import { ContainerEvents } from '../lifecycle/container-events';
import { LogDeliveries } from '../log-drivers/log-deliveries';
import { endOf } from '../logs/log-files';
import { LogHolds } from '../logs/log-holds';
import { LogRotation } from '../logs/log-rotation';
import { LogsService } from '../logs/logs.service';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { MonitorPaths } from '../runtime/monitor-paths';
import { serveAttachment, type Attachment } from './attached-call';
import { ContainerStreams } from './container-streams';
import { parseDetachKeys } from './detach-keys';
import { LogTail } from './log-tail';
import { OutputQueue } from './output-queue';
import type { StreamReader } from './stream-reader';

/** Attaches clients to containers (API: ContainerAttach, ContainerResize). */
@Injectable()
export class AttachService {
  constructor(
    private readonly store: ContainerStore,
    private readonly streams: ContainerStreams,
    private readonly logs: LogsService,
    private readonly deliveries: LogDeliveries,
    private readonly holds: LogHolds,
    private readonly rotation: LogRotation,
    private readonly events: ContainerEvents,
    private readonly paths: MonitorPaths,
  ) {}

  /**
   * RPC Attach. A container that does not run is waited for: `docker run` attaches before it starts. Ends with the
   * container's run, after its last byte.
   */
  async attach(call: ServerDuplexStream<AttachRequest, AttachResponse>): Promise<void> {
    const input = incoming(call)[Symbol.asyncIterator]();
    const first = await input.next();
    const start = first.done ? undefined : first.value.message;
    if (start?.$case !== 'start') throw invalidArgument('the first message of Attach has to be start');
    const { container } = start.value;
    const record = this.store.resolve(container);
    if (record.state.Paused)
      throw conflict(`container ${container} is paused, unpause the container before attach`);
    if (record.state.Restarting)
      throw conflict(`container ${container} is restarting, wait until the container is running`);
    const detachKeys = parseDetachKeys(start.value.detachKeys);

    // The queue is in place before the client hears that it is attached: what it starts then is not missed.
    const attachment = await this.attachment(record, start.value);
    if (attachment && start.value.stdin && record.config.OpenStdin) {
      const { Tty: tty, StdinOnce: once } = record.config;
      attachment.stdin = {
        treatment: { tty, closesStdin: once && !tty, detachKeys },
        data: stdinOf(input),
      };
    }
    this.events.publish(record, 'attach');
    await writeMessage(call, { message: { $case: 'started', value: { tty: record.config.Tty } } });
    if (!attachment) return this.replay(call, record, start.value);
    if ((await serveAttachment(call, attachment)) === 'detached') this.events.publish(record, 'detach');
  }

  /** RPC Resize, for containers. */
  async resize(request: ResizeRequest): Promise<Empty> {
    const record = this.store.resolve(request.target);
    if (!record.state.Running) throw conflict(`Container ${record.id} is not running`);
    await resizeTerminal(this.paths.control(record.id), request.size?.rows ?? 0, request.size?.columns ?? 0);
    this.events.publish(record, 'resize', {
      height: String(request.size?.rows ?? 0),
      width: String(request.size?.columns ?? 0),
    });
    return {};
  }

  /** undefined where the client does not want to stay. */
  private async attachment(record: ContainerRecord, start: AttachStart): Promise<Attachment | undefined> {
    if (!start.stream) return undefined;
    // Of a running container, old and new output together come from the log: no byte is missing, none comes twice.
    const fromLog = start.logs && record.state.Running;
    const reader = await this.reader(record, {
      stdout: start.stdout && !fromLog,
      stderr: start.stderr && !fromLog,
    });
    const streams = this.streams.attach(record, reader);
    const gone = new AbortController();
    const leave = (): void => {
      gone.abort();
      void this.streams.detach(record, reader);
    };
    if (!start.logs) return { output: reader, leave, streams };
    const log = this.logs.read(record, selection(start), 'all', fromLog, gone.signal);
    return { output: fromLog ? log : oneAfterTheOther(log, reader), leave, streams };
  }

  /** From the log where it keeps enough for who is slow, so that nobody has to wait for who does not read. */
  private async reader(
    record: ContainerRecord,
    selected: Record<AttachStream, boolean>,
  ): Promise<StreamReader & AsyncIterable<Output>> {
    const files = this.deliveries.monitorFilesOf(record);
    if (!files || !(selected.stdout || selected.stderr)) return new OutputQueue(selected);
    const tail = new LogTail(files, await endOf(files), selected);
    const release = this.holds.hold(record.id, () => tail.sequence);
    void tail.finished.then(() => {
      release();
      void this.rotation.enforce(record);
    });
    return tail;
  }

  private async replay(
    call: ServerDuplexStream<AttachRequest, AttachResponse>,
    record: ContainerRecord,
    start: AttachStart,
  ): Promise<void> {
    if (!start.logs) return;
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    for await (const value of this.logs.read(record, selection(start), 'all', false, gone.signal)) {
      if (!(await writeMessage(call, { message: { $case: 'output', value } }))) return;
    }
  }
}

/** conmon's control message for a terminal's size, in characters. */
export async function resizeTerminal(control: string, rows: number, columns: number): Promise<void> {
  // r+: opening a FIFO for reading and writing never waits, even when the monitor is gone.
  await writeFile(control, `1 ${rows} ${columns}\n`, { flag: 'r+' });
}

const selection = ({ stdout, stderr }: AttachStart) => ({ stdout, stderr, timestamps: false });

async function* oneAfterTheOther(...sources: AsyncIterable<Output>[]): AsyncGenerator<Output> {
  for (const source of sources) yield* source;
}

async function* stdinOf(input: AsyncIterator<AttachRequest>): AsyncGenerator<Buffer> {
  for (;;) {
    const { done, value } = await input.next();
    if (done) return;
    if (value.message?.$case === 'stdin') yield value.message.value;
  }
}
