import type { Redis } from 'ioredis';
import { engineEvent } from './engine-event';
import { EventPublisher } from './event-stream';

/** A Redis that says what it is told to say of each event. */
class FakeRedis {
  readonly taken: string[] = [];
  refusal: Error | null = null;

  pipeline() {
    const results: [Error | null, unknown][] = [];
    return {
      xadd: (...words: (string | number)[]) => {
        if (!this.refusal) this.taken.push((JSON.parse(String(words.at(-1))) as { Action: string }).Action);
        results.push([this.refusal, '0-1']);
      },
      exec: async () => results,
    };
  }
}

describe('EventPublisher', () => {
  it('keeps in their order what Redis refuses, and offers it again', async () => {
    const redis = new FakeRedis();
    const errors: unknown[] = [];
    const publisher = new EventPublisher(redis as unknown as Redis, 'x:', 'node', (error) =>
      errors.push(error),
    );
    redis.refusal = new Error('MISCONF Errors writing to the AOF file: No space left on device');
    publisher.publish(engineEvent('container', 'create', 'a'));
    publisher.publish(engineEvent('container', 'start', 'a'));
    await publisher.drain();
    expect(errors).not.toEqual([]);
    expect(redis.taken).toEqual([]);

    redis.refusal = null;
    // Nothing else is published: it comes by itself.
    while (redis.taken.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    publisher.publish(engineEvent('container', 'die', 'a'));
    await publisher.drain();
    expect(redis.taken).toEqual(['create', 'start', 'die']);
  });
});
