import type { Growth } from './layer-source';

/** Tells whoever reads a file how far it is written. Bytes. */
export class FileGrowth implements Growth {
  private available = 0;
  private failure?: { reason: unknown };
  private readonly waiting = new Set<{ seen: number; wake: () => void }>();

  async beyond(seen: number): Promise<number> {
    while (this.available <= seen) {
      if (this.failure) throw this.failure.reason;
      await new Promise<void>((wake) => this.waiting.add({ seen, wake }));
    }
    return this.available;
  }

  reach(available: number): void {
    this.available = Math.max(available, this.available);
    this.wake((waiter) => waiter.seen < this.available);
  }

  /** There will be no more. */
  fail(reason: unknown): void {
    this.failure = { reason };
    this.wake(() => true);
  }

  private wake(isDue: (waiter: { seen: number }) => boolean): void {
    for (const waiter of this.waiting) {
      if (!isDue(waiter)) continue;
      this.waiting.delete(waiter);
      waiter.wake();
    }
  }
}
