/** One thing at a time is done to what a key names, in the order of asking; different keys go side by side. */
export class KeyedLock {
  /** Of each key that is held: settles when the last who asked is done. */
  private readonly last = new Map<string, Promise<unknown>>();

  /** Where nobody holds the key, `action` has begun when this returns. Must not be nested. */
  async hold<T>(key: string, action: () => T | Promise<T>): Promise<T> {
    const before = this.last.get(key);
    const mine = before ? before.then(action) : (async () => action())();
    const done = mine.catch(() => {});
    this.last.set(key, done);
    try {
      return await mine;
    } finally {
      if (this.last.get(key) === done) this.last.delete(key);
    }
  }
}
