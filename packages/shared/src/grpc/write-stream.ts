import { once } from 'node:events';

interface MessageSink<T> {
  write(message: T): boolean;
  once(event: string, listener: () => void): unknown;
  cancelled?: boolean;
  destroyed?: boolean;
}

/** Writes one message and waits while the peer is behind. False when the peer is gone. */
export async function writeMessage<T>(sink: MessageSink<T>, message: T): Promise<boolean> {
  if (sink.cancelled || sink.destroyed) return false;
  if (!sink.write(message)) {
    const done = new AbortController();
    const emitter = sink as unknown as NodeJS.EventEmitter;
    await Promise.race(
      ['drain', 'close', 'cancelled', 'error'].map((event) =>
        once(emitter, event, { signal: done.signal }).catch(() => {}),
      ),
    );
    done.abort();
  }
  return !(sink.cancelled || sink.destroyed);
}

/**
 * What the peer sends on a client-streaming or bidirectional call, in order, until it half-closes. A plain `for await`
 * over the call would destroy it at the end, and the answer with it.
 */
export function incoming<T>(call: {
  iterator(options: { destroyOnReturn: boolean }): AsyncIterator<T>;
}): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => call.iterator({ destroyOnReturn: false }) };
}
