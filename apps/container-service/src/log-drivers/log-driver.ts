import type { Linux } from '@gantry/shared/linux';
import type { ContainerRecord } from '../records/container-record';
import type { LogOptions } from './option-values';

/** Takes a container's output to where its driver keeps it. */
export interface LogSink {
  /**
   * `block`: whole lines of the monitor's log, valid until this resolves, which is when there may be more. Throws only
   * for what trying again will not mend; what is away for a while is waited for until `signal`.
   */
  take(block: Buffer, signal: AbortSignal): Promise<void>;
  /** The container's run is over: what is left of its last line goes out. */
  runEnded(signal: AbortSignal): Promise<void>;
  /** What a sink that goes on from here has to know, as JSON; after a `take` or `runEnded` that resolved. */
  state(): object;
  close(): Promise<void>;
}

/** What a sink is made for. `checkpoint` saves its state in the middle of a `take`: whose block is then taken again. */
export interface SinkContext {
  record: ContainerRecord;
  options: LogOptions;
  linux: Linux;
  /** The file at LogPath. */
  jsonPath: string;
  /** The file at LogPath was rotated. */
  rotated: () => void;
  checkpoint: (state: object) => void;
}

export interface LogDriver {
  /** @throws InvalidArgument in dockerd's words */
  check(options: LogOptions): void;
  /** Absent: the monitor's file is all there is. `state`: of the sink before. @throws EngineError where nobody is there */
  open?(context: SinkContext, state: object | undefined): Promise<LogSink>;
}
