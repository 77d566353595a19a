import { watch, type FSWatcher } from 'node:fs';
import { dirname, basename } from 'node:path';

/** Waits for something to happen to a file or to those named after it (`<file>.<anything>`), by inotify. */
export class FileChanges {
  private readonly watcher: FSWatcher;
  private pending = false;
  private wake?: () => void;

  constructor(path: string) {
    const name = basename(path);
    this.watcher = watch(dirname(path), (_event, changed) => {
      if (changed === null || changed === name || changed.startsWith(`${name}.`)) this.poke();
    });
    this.watcher.on('error', () => this.poke());
  }

  /** Resolves at the next change; at once, if there was one since the last call. */
  async next(): Promise<void> {
    if (!this.pending) await new Promise<void>((resolve) => (this.wake = resolve));
    this.pending = false;
  }

  /** As if something had changed. */
  poke(): void {
    this.pending = true;
    this.wake?.();
    this.wake = undefined;
  }

  close(): void {
    this.watcher.close();
    this.poke();
  }
}
