import { linesOf } from '../../logs/log-lines';
import { parseLogRecord } from '../../logs/log-record';
import { type HeldLines, LineAssembler, type LogLine } from '../line-assembler';
import type { LogSink } from '../log-driver';
import type { RemoteConnection } from './remote-connection';

/** Sends each line of a container as one message, or several (a datagram each). */
export class LineSink implements LogSink {
  private readonly assembler: LineAssembler;

  /** `message`: of one line; empty for what the driver leaves out. The buffers are its own. */
  constructor(
    private readonly connection: RemoteConnection,
    private readonly message: (line: LogLine) => Buffer[],
    state: object | undefined,
  ) {
    this.assembler = new LineAssembler((state as { held?: HeldLines } | undefined)?.held);
  }

  async take(block: Buffer, signal: AbortSignal): Promise<void> {
    const messages: Buffer[] = [];
    for (const line of linesOf(block)) {
      const record = parseLogRecord(line);
      if (!record) continue;
      for (const each of this.assembler.push(record)) messages.push(...this.message(each));
    }
    if (messages.length > 0) await this.connection.send(messages, signal);
  }

  async runEnded(signal: AbortSignal): Promise<void> {
    const messages = [...this.assembler.end()].flatMap((line) => this.message(line));
    if (messages.length > 0) await this.connection.send(messages, signal);
  }

  state(): object {
    return { held: this.assembler.held() };
  }

  close(): Promise<void> {
    this.connection.close();
    return Promise.resolve();
  }
}
