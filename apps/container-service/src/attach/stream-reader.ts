import type { AttachStream } from '@gantry/shared/linux';

/** One who is attached, as {@link ProcessStreams} sees it. */
export interface StreamReader {
  /** It is so far behind that the process should wait. */
  readonly full: boolean;
  /** Resolves when all of it was taken by who reads it, or nobody reads it any more. */
  readonly finished: Promise<void>;
  /** Set by who fills it; called when it is not full any more. */
  onRoom: () => void;
  /** Before the process begins. */
  begin?(): void;
  /** The process wrote this. */
  push(stream: AttachStream, data: Buffer): void;
  /** No more comes; what is there is still handed out. */
  end(): void;
  /** Nobody reads any more. */
  discard(): void;
}
