import type { LogFiles, NumberedLog } from './log-files';
import { openLog } from './open-log';
import { parseLogRecord } from './log-record';
import { rotatedNumbers } from './rotated-numbers';

/**
 * The log that the monitor writes, `container.log`; a rotation renames it to `container.log.<n>`. The file being written
 * has the number after the newest one.
 */
export class MonitorLogFiles implements LogFiles {
  readonly parse = parseLogRecord;

  constructor(readonly current: string) {}

  path(sequence: number): string {
    return `${this.current}.${sequence}`;
  }

  rotated(): number[] {
    return rotatedNumbers(this.current);
  }

  openFrom(sequence: number): NumberedLog | undefined {
    for (;;) {
      const rotated = this.rotated();
      const newest = rotated.at(-1) ?? 0;
      const wanted = rotated.find((each) => each >= sequence);
      const file = openLog(wanted === undefined ? this.current : this.path(wanted));
      // A rotation in between would have made another file of the same name.
      const settled = (this.rotated().at(-1) ?? 0) === newest;
      if (settled && file) return { sequence: wanted ?? newest + 1, file };
      if (settled && wanted === undefined) return undefined;
      file?.close();
    }
  }
}
