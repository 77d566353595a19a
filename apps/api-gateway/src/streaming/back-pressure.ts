import type { Writable } from 'node:stream';

/** Writes, and waits while the reader is behind. False when the reader is gone. */
export async function writeWithBackPressure(sink: Writable, chunk: Buffer | string): Promise<boolean> {
  if (sink.destroyed || sink.writableEnded) return false;
  if (!sink.write(chunk)) await drained(sink);
  return !sink.destroyed;
}

/** What is written until the event loop comes round goes out as one: a short answer is one packet, not four. */
export function sendTogether(sink: Writable): void {
  if (sink.writableCorked > 0) return;
  sink.cork();
  setImmediate(() => sink.uncork());
}

/** Waits until the sink takes more, or is gone. */
export function drained(sink: Writable): Promise<void> {
  if (!sink.writableNeedDrain || sink.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ['drain', 'close', 'error']) sink.removeListener(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) sink.on(event, done);
  });
}
