import { watch, type FSWatcher } from 'node:fs';
import { dirname, basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '@gantry/shared/linux';

/** Waits for something to happen to a file or to those named after it (`<file>.<anything>`), by inotify. */
export class FileChanges {
  private watcher?: FSWatcher;
  private pending = false;
  private closed = false;
  private wake?: () => void;

  constructor(private readonly path: string) {
    this.watch();
  }

  /** Resolves at the next change; at once, if there was one since the last call. */
  async next(): Promise<void> {
    if (!this.pending) await new Promise<void>((resolve) => (this.wake = resolve));
    this.pending = false;
  }

  /**
   * Looks away for so many milliseconds, then takes it that something has changed: for a file that is written all the time,
   * whose every change would be an event.
   */
  async pause(milliseconds: number): Promise<void> {
    this.watcher?.close();
    this.watcher = undefined;
    await sleep(milliseconds, undefined, { ref: false });
    if (!this.closed) this.watch();
    this.poke();
  }

  /** As if something had changed. */
  poke(): void {
    this.pending = true;
    this.wake?.();
    this.wake = undefined;
  }

  close(): void {
    this.closed = true;
    this.watcher?.close();
    this.poke();
  }

  private watch(): void {
    const name = basename(this.path);
    try {
      this.watcher = watch(dirname(this.path), (_event, changed) => {
        if (changed === null || changed === name || changed.startsWith(`${name}.`)) this.poke();
      });
      this.watcher.on('error', () => this.poke());
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error; // the directory is gone, and nothing will change in it
    }
  }
}
