import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { Inject, Injectable } from '@nestjs/common';
import { StdStream, type Empty, type JsonDocument } from '@gantry/proto/common';
import type {
  AttachResponse,
  CreateExecRequest,
  CreateExecResponse,
  ExecReference,
  ResizeRequest,
  StartExecRequest,
  StartExecStart,
} from '@gantry/proto/container';
import { checkFieldTypes, withZeroValues } from '@gantry/shared/documents';
import { conflict, EngineError, invalidArgument, messageOf } from '@gantry/shared/errors';
import { fromJson, incoming, toJson, writeMessage } from '@gantry/shared/grpc';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { resizeTerminal } from '../attach/attach.service';
import { serveAttachment } from '../attach/attached-call';
import { parseDetachKeys } from '../attach/detach-keys';
import { OutputQueue } from '../attach/output-queue';
import type { ProcessStreams } from '../attach/process-streams';
import { ContainerEvents } from '../lifecycle/container-events';
import { hostOwner } from '../lifecycle/stream-owner';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { MonitorPaths } from '../runtime/monitor-paths';
import { resolveUser, type OciSpec } from '@gantry/shared/oci';
import { ExecExits } from './exec-exits';
import { ExecFiles } from './exec-files';
import { execProcess } from './exec-process';
import { ExecMonitor } from './exec-monitor';
import {
  commandLine,
  EXEC_CREATE_REQUEST,
  execDocument,
  type ExecConfig,
  type ExecRecord,
} from './exec-record';
import { ExecStore } from './exec-store';
import { execFailure } from './exec-failure';
import { Runtimes } from '../runtime/runtimes';

type Call = ServerDuplexStream<StartExecRequest, AttachResponse>;

/** Runs further processes in running containers (API: tag Exec). */
@Injectable()
export class ExecService {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly containers: ContainerStore,
    private readonly execs: ExecStore,
    private readonly files: ExecFiles,
    private readonly exits: ExecExits,
    private readonly monitor: ExecMonitor,
    private readonly runtimes: Runtimes,
    private readonly events: ContainerEvents,
    private readonly paths: MonitorPaths,
  ) {}

  /** RPC Create. */
  async create(request: CreateExecRequest): Promise<CreateExecResponse> {
    const container = this.containers.resolve(request.container);
    const given = fromJson<ExecConfig>(request.config);
    checkFieldTypes(given, EXEC_CREATE_REQUEST);
    const config = withZeroValues(given, EXEC_CREATE_REQUEST);
    requireRunning(container, request.container);
    if (!config.Cmd?.length) throw invalidArgument('No exec command specified');
    if (config.User) resolveUser(this.linux.paths, rootOf(container), config.User, null);
    parseDetachKeys(config.DetachKeys ?? '', 'escape');
    const record: ExecRecord = {
      id: randomBytes(32).toString('hex'),
      containerId: container.id,
      config,
      running: false,
    };
    this.execs.add(record);
    this.events.publish(container, `exec_create: ${commandLine(record)}`, { execID: record.id });
    return { id: record.id };
  }

  /** RPC Start. An error after `started` goes out as output, for the client's stream has begun: so does dockerd's. */
  async start(call: Call): Promise<void> {
    const input = incoming(call)[Symbol.asyncIterator]();
    const first = await input.next();
    const start = first.done ? undefined : first.value.message;
    if (start?.$case !== 'start') throw invalidArgument('the first message of Start has to be start');
    const record = this.execs.startable(start.value.execId);
    const container = this.containers.resolve(record.containerId);
    requireRunning(container, container.id);
    // As dockerd: whether the output is framed is for who starts it to say; the exec's own terminal is another thing.
    const started = { message: { $case: 'started' as const, value: { tty: start.value.tty } } };

    if (start.value.detach) {
      claim(record, start.value);
      await this.begin(container, record);
      await writeMessage(call, started);
      return;
    }
    await writeMessage(call, started);
    try {
      claim(record, start.value);
      await this.serve(call, input, container, record, start.value.tty);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      const data = Buffer.from(`${messageOf(error)}\r\n`);
      const value = { stream: StdStream.STD_STREAM_STDOUT, data };
      await writeMessage(call, { message: { $case: 'output', value } });
    }
  }

  /** RPC Resize. Until there is a process it is the size to begin with. */
  async resize(request: ResizeRequest): Promise<Empty> {
    const record = this.execs.get(request.target);
    const { rows = 0, columns = 0 } = request.size ?? {};
    if (record.exitCode !== undefined) throw conflict(`Exec command ${record.id} is not running`);
    record.config.ConsoleSize = [rows, columns];
    if (record.process) await this.tellSize(record);
    return {};
  }

  private async tellSize(record: ExecRecord): Promise<void> {
    const [rows, columns] = record.config.ConsoleSize ?? [0, 0];
    if (record.config.Tty) await resizeTerminal(this.files.control(record), rows, columns);
  }

  /** RPC Inspect. */
  async inspect(request: ExecReference): Promise<JsonDocument> {
    const record = this.execs.get(request.execId);
    const keys = record.config.DetachKeys ? parseDetachKeys(record.config.DetachKeys) : Buffer.alloc(0);
    return toJson(execDocument(record, keys));
  }

  private async serve(
    call: Call,
    input: AsyncIterator<StartExecRequest>,
    container: ContainerRecord,
    record: ExecRecord,
    raw: boolean,
  ): Promise<void> {
    const { AttachStdin, AttachStdout, AttachStderr, Tty = false, DetachKeys = '' } = record.config;
    // A raw stream has no place for stderr: dockerd leaves it out.
    const queue = new OutputQueue({ stdout: AttachStdout ?? false, stderr: (AttachStderr ?? false) && !raw });
    let streams: ProcessStreams | undefined;
    await this.begin(container, record, (connected) => {
      streams = connected;
      connected.add(queue);
    });
    const end = await serveAttachment(call, {
      output: queue,
      leave: () => streams?.remove(queue),
      streams: Promise.resolve(streams),
      stdin: AttachStdin
        ? {
            treatment: { tty: Tty, closesStdin: !Tty, detachKeys: parseDetachKeys(DetachKeys) },
            data: stdinOf(input),
          }
        : undefined,
    });
    if (end === 'detached') return this.events.publish(container, 'exec_detach', { execID: record.id });
    // The client asks for the exit code as soon as the stream ends. One that went away waits for nothing.
    if (!call.cancelled) await this.exits.wait(record);
  }

  /** @throws EngineError in dockerd's words; the exec then has the exit code that its client shows. */
  private async begin(
    container: ContainerRecord,
    record: ExecRecord,
    connected?: (streams: ProcessStreams) => void,
  ): Promise<void> {
    try {
      this.events.publish(container, `exec_start: ${commandLine(record)}`, { execID: record.id });
      const spec = JSON.parse(readFileSync(this.paths.spec(container.id), 'utf8')) as OciSpec;
      const size = record.config.ConsoleSize;
      const process = execProcess(
        container,
        spec.process,
        record.config,
        this.linux.paths,
        rootOf(container),
      );
      const runtime = this.runtimes.choose(container.process?.runtime ?? '');
      const owner = hostOwner(container.process?.idMapping, process.user);
      record.process = await this.monitor.start(record, process, runtime, connected, owner);
      this.execs.save(record);
      this.exits.watch(record);
      if (record.config.ConsoleSize !== size) this.tellSize(record).catch(() => {}); // it has ended
    } catch (error) {
      const failure = execFailure(error, record.config.Cmd ?? []);
      record.running = false;
      record.exitCode = failure.exitCode;
      this.execs.ended(record);
      this.monitor.forget(record);
      throw failure.error;
    }
  }
}

/** Where a running container's files are seen. */
const rootOf = ({ state }: ContainerRecord): string => `/proc/${state.Pid}/root`;

/** @param reference as the client names it */
function requireRunning({ state, id }: ContainerRecord, reference: string): void {
  if (!state.Running) throw conflict(`Container ${id} is not running`);
  if (state.Paused) throw conflict(`Container ${reference} is paused, unpause the container before exec`);
  if (state.Restarting) throw conflict(`Container ${id} is restarting, wait until the container is running`);
}

/** @throws Conflict: an exec runs once */
function claim(record: ExecRecord, start: StartExecStart): void {
  if (record.exitCode !== undefined) throw conflict(`Error: Exec command ${record.id} has already run`);
  if (record.running) throw conflict(`Error: Exec command ${record.id} is already running`);
  record.running = true;
  applySize(record, start);
}

function applySize(record: ExecRecord, start: StartExecStart): void {
  const { rows = 0, columns = 0 } = start.consoleSize ?? {};
  if (rows > 0 && columns > 0) record.config.ConsoleSize = [rows, columns];
}

async function* stdinOf(input: AsyncIterator<StartExecRequest>): AsyncGenerator<Buffer> {
  for (;;) {
    const { done, value } = await input.next();
    if (done) return;
    if (value.message?.$case === 'stdin') yield value.message.value;
  }
}
