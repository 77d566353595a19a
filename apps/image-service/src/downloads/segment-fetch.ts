import { setTimeout as pauseFor } from 'node:timers/promises';
import { EngineError, invalidArgument, messageOf, unreachable } from '@gantry/shared/errors';
import { hasCode } from '@gantry/shared/linux';
import type { BlobAnswer, Repository } from '../registry/registry';
import type { PartialFile, Segment } from './partial-file';

/** Attempts that brought nothing before a download is given up, as dockerd. */
const MAX_FRUITLESS = 5;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
/** Bytes that go to disk, and to whoever reads them there, at once. */
const BATCH = 256 * 1024;
/** How long less than that waits for more. Milliseconds. */
const LINGER_MS = 20;

export interface FetchHooks {
  /** More of the file is there. */
  onBytes(): void;
  /** The next attempt comes after so many seconds. */
  onRetry(seconds: number): void;
}

/**
 * Fetches what is missing of a segment, and goes on where a connection broke.
 * @throws InvalidArgument where the registry's blob is not the one the manifest describes
 */
export async function fetchSegment(
  repository: Pick<Repository, 'blob'>,
  digest: string,
  file: PartialFile,
  segment: Segment,
  hooks: FetchHooks,
  signal: AbortSignal,
): Promise<void> {
  for (let fruitless = 0; segment.start + segment.have < segment.end;) {
    const before = segment.have;
    try {
      await fetchOnce(repository, digest, file, segment, hooks, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (isFinal(error)) throw error;
      fruitless = segment.have > before ? 0 : fruitless + 1;
      if (fruitless >= MAX_FRUITLESS) throw unreachable(messageOf(error), error);
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** fruitless, MAX_PAUSE_MS);
      hooks.onRetry(Math.ceil(pause / 1000));
      await pauseFor(pause, undefined, { signal });
    }
  }
}

/** What the registry or the disk refuses stays refused. */
function isFinal(error: unknown): boolean {
  if (error instanceof EngineError) return error.kind !== 'Unreachable' && error.kind !== 'TooManyRequests';
  return hasCode(error, 'ENOSPC', 'EDQUOT', 'EROFS', 'EIO');
}

async function fetchOnce(
  repository: Pick<Repository, 'blob'>,
  digest: string,
  file: PartialFile,
  segment: Segment,
  hooks: FetchHooks,
  signal: AbortSignal,
): Promise<void> {
  const from = segment.start + segment.have;
  const isPart = segment.end < file.size;
  const range = isPart ? { from, to: segment.end - 1 } : { from };
  const answer = await repository.blob(digest, range, { signal });
  try {
    checkAnswer(answer, digest, file, from);
    await receive(answer, file, segment, from, isPart, hooks);
  } finally {
    answer.body.destroy();
  }
  if (segment.start + segment.have < segment.end) throw unreachable('unexpected EOF');
}

function checkAnswer(answer: BlobAnswer, digest: string, file: PartialFile, from: number): void {
  if (answer.total !== undefined && answer.total !== file.size) {
    throw invalidArgument(
      `blob ${digest} has ${answer.total} bytes in the registry, but ${file.size} in the manifest`,
    );
  }
  if (answer.offset > from) throw unreachable('the registry left out the beginning of a range');
}

/** A registry without ranges sends from the beginning and to the end: what is not wanted is passed over. */
async function receive(
  answer: BlobAnswer,
  file: PartialFile,
  segment: Segment,
  from: number,
  isPart: boolean,
  hooks: FetchHooks,
): Promise<void> {
  let skip = from - answer.offset;
  let room = segment.end - from;
  const batches = new Batches(async (chunks) => {
    await file.append(segment, chunks);
    hooks.onBytes();
  });
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      const passed = Math.min(skip, chunk.length);
      skip -= passed;
      const wanted = chunk.subarray(passed, passed + room);
      await batches.add(wanted);
      if (chunk.length - passed <= room) {
        room -= wanted.length;
        continue;
      }
      if (isPart) return;
      throw invalidArgument(`the registry sent more than the ${file.size} bytes that the manifest says`);
    }
  } finally {
    // What came before a connection broke need not come again.
    await batches.flush();
  }
}

/** Chunks on their way to disk, some at once; none of them waits for long. */
class Batches {
  private chunks: Buffer[] = [];
  private bytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private written: Promise<void> = Promise.resolve();

  constructor(private readonly write: (chunks: Buffer[]) => Promise<void>) {}

  /** Resolves when there is room for more. @throws what a write ended with */
  async add(chunk: Buffer): Promise<void> {
    if (chunk.length === 0) return;
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    if (this.bytes >= BATCH) return this.flush();
    // A registry that stalls does not keep from the disk what it has sent.
    this.timer ??= setTimeout(() => void this.flush().catch(() => {}), LINGER_MS);
  }

  /** @throws what this write or one before ended with */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { chunks } = this;
    if (chunks.length === 0) return this.written;
    [this.chunks, this.bytes] = [[], 0];
    this.written = this.written.then(() => this.write(chunks));
    return this.written;
  }
}
