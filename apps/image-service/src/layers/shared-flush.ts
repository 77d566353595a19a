/**
 * A flush that serves all who ask for it while the one before is running: each asker is answered by a flush that began after
 * they asked. Layers that are unpacked side by side cost one or two flushes of the file system, not one each.
 */
export class SharedFlush {
  private running: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  constructor(private readonly flush: () => Promise<void>) {}

  /** Resolves once everything that was written before the call is on disk. @throws what the flush threw */
  reach(): Promise<void> {
    if (!this.running) return this.begin();
    this.next ??= this.running
      .catch(() => {})
      .then(() => {
        this.next = undefined;
        return this.begin();
      });
    return this.next;
  }

  private begin(): Promise<void> {
    const own = this.flush().finally(() => {
      if (this.running === own) this.running = undefined;
    });
    this.running = own;
    return own;
  }
}
