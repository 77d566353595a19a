import { StdStream } from '@gantry/proto/common';
import type { AttachConnection, AttachStream } from '@gantry/shared/linux';
import { OutputQueue } from './output-queue';
import { ProcessStreams } from './process-streams';

class FakeConnection implements AttachConnection {
  readonly calls: string[] = [];
  packet: (stream: AttachStream, data: Buffer) => void = () => {};
  ended: (error?: Error) => void = () => {};
  onPacket(listener: (stream: AttachStream, data: Buffer) => void): void {
    this.packet = listener;
  }
  onEnd(listener: (error?: Error) => void): void {
    this.ended = listener;
  }
  async write(data: Buffer): Promise<void> {
    this.calls.push(`write ${data.toString()}`);
  }
  closeWrite(): void {
    this.calls.push('closeWrite');
  }
  pause(): void {
    this.calls.push('pause');
  }
  resume(): void {
    this.calls.push('resume');
  }
  close(): void {
    this.calls.push('close');
  }
  say(text: string, stream: AttachStream = 'stdout'): void {
    this.packet(stream, Buffer.from(text));
  }
}

const BOTH = { stdout: true, stderr: true };

async function textOf(queue: OutputQueue): Promise<string> {
  let text = '';
  for await (const { stream, data } of queue)
    text += `${stream === StdStream.STD_STREAM_STDERR ? 'E' : 'O'}:${data.toString()};`;
  return text;
}

describe('ProcessStreams', () => {
  let connection: FakeConnection;
  let streams: ProcessStreams;
  beforeEach(() => {
    connection = new FakeConnection();
    streams = new ProcessStreams(connection);
  });

  it('gives every queue the streams it selected, neighbours joined, and ends them after the last byte', async () => {
    const [all, errors] = [new OutputQueue(BOTH), new OutputQueue({ stdout: false, stderr: true })];
    streams.add(all);
    streams.add(errors);
    connection.say('a');
    connection.say('b');
    connection.say('e', 'stderr');
    connection.say('c');
    connection.ended();
    await streams.ended;
    expect(await textOf(all)).toBe('O:ab;E:e;O:c;');
    expect(await textOf(errors)).toBe('E:e;');
    const late = new OutputQueue(BOTH);
    streams.add(late);
    expect(await textOf(late)).toBe('');
  });

  it('has delivered its output when those who are attached have it, or have left', async () => {
    const [reader, sleeper] = [new OutputQueue(BOTH), new OutputQueue(BOTH)];
    streams.add(reader);
    streams.add(sleeper);
    connection.say('last words');
    connection.ended();
    let delivered = false;
    void streams.delivered.then(() => (delivered = true));
    expect(await textOf(reader)).toBe('O:last words;');
    await new Promise(setImmediate);
    expect(delivered).toBe(false);
    streams.remove(sleeper);
    await streams.delivered;
  });

  it('waits for the slowest reader, and for nobody once it left', async () => {
    const [slow, fast] = [new OutputQueue(BOTH, 10), new OutputQueue(BOTH, 10)];
    streams.add(slow);
    streams.add(fast);
    connection.say('12345');
    expect(connection.calls).toEqual([]);
    connection.say('67890');
    connection.say('still in flight');
    expect(connection.calls).toEqual(['pause']);
    const reading = fast[Symbol.asyncIterator]();
    expect((await reading.next()).value?.data.toString()).toBe('1234567890still in flight');
    expect(connection.calls).toEqual(['pause']);
    streams.remove(slow);
    expect(connection.calls).toEqual(['pause', 'resume']);
  });

  it('goes on when a full queue was read, and has lost nothing', async () => {
    const queue = new OutputQueue(BOTH, 4);
    streams.add(queue);
    connection.say('abcdef');
    const reading = queue[Symbol.asyncIterator]();
    expect((await reading.next()).value?.data.toString()).toBe('abcdef');
    expect(connection.calls).toEqual(['pause', 'resume']);
    const next = reading.next();
    connection.say('g');
    expect((await next).value?.data.toString()).toBe('g');
  });

  it('writes stdin until it is closed once, and drops what comes after', async () => {
    await streams.write(Buffer.from('in'));
    streams.closeStdin();
    streams.closeStdin();
    await streams.write(Buffer.from('late'));
    expect(connection.calls).toEqual(['write in', 'closeWrite']);
  });
});
