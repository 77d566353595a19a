import { Injectable } from '@nestjs/common';

/** What clients who are attached may keep of one container's log beyond its cap. Bytes. */
const MOST = 1024 * 1024 * 1024;

/** Rotated files that clients who are attached have still to read: of what a container pipes to them nothing is lost. */
@Injectable()
export class LogHolds {
  private readonly held = new Map<string, Set<() => number>>();

  /** `sequence`: of the file that is being read. Returns how to let go. */
  hold(container: string, sequence: () => number): () => void {
    const all = this.held.get(container) ?? new Set();
    this.held.set(container, all.add(sequence));
    return () => {
      all.delete(sequence);
      if (all.size === 0 && this.held.get(container) === all) this.held.delete(container);
    };
  }

  /** Whether a file has to stay; `newer`: bytes of the files that came after it. */
  keeps(container: string, sequence: number, newer: number): boolean {
    const all = [...(this.held.get(container) ?? [])];
    return newer < MOST && all.some((oldest) => sequence >= oldest());
  }
}
