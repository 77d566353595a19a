import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { invalidArgument } from '../errors';
import { hasCode, type Linux } from '../linux';

type Sink = NodeJS.WritableStream & { destroyed: boolean };

/** Each buffer is done with before the next one is asked for. */
export async function feed(packed: AsyncIterable<Buffer>, sink: Sink): Promise<void> {
  for await (const chunk of packed) {
    if (sink.destroyed) return;
    await new Promise<void>((resolve) => {
      sink.once('close', resolve);
      sink.write(chunk, () => {
        sink.removeListener('close', resolve);
        resolve();
      });
    });
  }
  if (!sink.destroyed) sink.end();
}

/** A program that turns its input into its output. */
export interface FilterProgram {
  /** In error messages. */
  name: string;
  path: string;
  options: string[];
  /** What to say where it fails instead of its own words. */
  said?: () => string;
}

/** `source` as the program puts it out. @throws InvalidArgument where it ends with an error */
export async function* throughProgram(
  processes: Linux['processes'],
  { name, path, options, said }: FilterProgram,
  source: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const [input, feedEnd] = processes.pipe();
  const [output, outputEnd] = processes.pipe();
  const [errors, errorsEnd] = processes.pipe();
  let pid: number;
  try {
    pid = processes.spawn({
      path,
      argv: [path, ...options],
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      fds: { 0: input, 1: outputEnd, 2: errorsEnd },
    });
  } finally {
    for (const fd of [input, outputEnd, errorsEnd]) closeSync(fd);
  }
  const ended = processes.wait(pid);
  const complaint = processes.readAll(errors);
  const sink = new Socket({ fd: feedEnd, readable: false, writable: true });
  // It ended early: its exit code says why.
  sink.on('error', () => sink.destroy());
  let broken: unknown;
  const feeding = feed(source, sink).catch((error: unknown) => {
    broken = error;
    sink.destroy();
  });
  const plain = processes.reader(output);
  try {
    yield* plain as AsyncIterable<Buffer>;
    await feeding;
    if (broken !== undefined) throw broken;
    const { code, signal } = await ended;
    if (code === 0) return;
    const detail = (await complaint).toString('utf8').trim() || `ended with ${signal ?? code}`;
    const text = said?.() ?? detail.split('\n').at(-1)?.replace(`${path}: `, '');
    throw invalidArgument(`${name}: ${text}`);
  } catch (error) {
    if (hasCode(error, 'ERR_STREAM_PREMATURE_CLOSE') && broken !== undefined) throw broken;
    throw error;
  } finally {
    // A program whose pipes are closed ends.
    plain.destroy();
    sink.destroy();
    await feeding;
  }
}
