import { Injectable } from '@nestjs/common';

/** One thing at a time is done to a container; what others ask meanwhile happens after it, in their order. */
@Injectable()
export class ContainerLocks {
  private readonly tails = new Map<string, Promise<unknown>>();

  async hold<T>(id: string, action: () => Promise<T>): Promise<T> {
    const before = this.tails.get(id) ?? Promise.resolve();
    const mine = before.then(action, action);
    const tail = mine.catch(() => {});
    this.tails.set(id, tail);
    try {
      return await mine;
    } finally {
      if (this.tails.get(id) === tail) this.tails.delete(id);
    }
  }
}
