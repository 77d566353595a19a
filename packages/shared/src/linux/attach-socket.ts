/** conmon's prefix byte of a packet. */
export type AttachStream = 'stdout' | 'stderr';

/**
 * conmon's attach socket. Events by {@link onPacket} and {@link onEnd}; an attached client that does not read stops
 * the container, so while paused the packets pile up here and in the kernel.
 */
export interface AttachConnection {
  /** Set before the first await after connecting; the buffer belongs to the listener. */
  onPacket(listener: (stream: AttachStream, data: Buffer) => void): void;
  /** Once, after the last packet: the container's output has ended or the connection is broken. */
  onEnd(listener: (error?: Error) => void): void;
  /** To the container's stdin. Wait for each call before the next; resolves when the kernel took all of it. */
  write(data: Buffer): Promise<void>;
  /** End of the container's stdin; output goes on. */
  closeWrite(): void;
  pause(): void;
  resume(): void;
  close(): void;
}
