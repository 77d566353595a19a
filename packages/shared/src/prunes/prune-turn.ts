import { conflict } from '../errors';

/** Prunes of one kind of object, one at a time: two at once would each count what the other removes. */
export class PruneTurn {
  private taken = false;

  /** @throws Conflict in dockerd's words while another one runs */
  async take<T>(prune: () => Promise<T>): Promise<T> {
    if (this.taken) throw conflict('a prune operation is already running');
    this.taken = true;
    try {
      return await prune();
    } finally {
      this.taken = false;
    }
  }
}
