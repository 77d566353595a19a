/** Takes one line of the API's progress stream. */
export type OnLine = (line: unknown) => Promise<void>;
/** Takes several lines at once. */
export type OnLines = (lines: readonly unknown[]) => Promise<void>;

/** How often the count of one item is told. Milliseconds. */
const INTERVAL_MS = 100;
const BAR_WIDTH = 50;

/** The lines of a pull or a push, in order; counts that come faster than anybody can read them are left out. */
export class ProgressLines {
  private last: Promise<void> = Promise.resolve();
  private readonly told = new Map<string, number>();

  constructor(private readonly onLine: OnLine) {}

  /** A line that is about everything. */
  message(status: string): void {
    this.send({ status });
  }

  /** What is the matter with one item. */
  status(id: string, status: string): void {
    this.send({ status, progressDetail: {}, id });
  }

  /** How far one item is, in bytes. The first and the last count are always told. */
  count(id: string, status: string, current: number, total: number): void {
    const now = Date.now();
    const key = `${id} ${status}`;
    if (current < total && now - (this.told.get(key) ?? 0) < INTERVAL_MS) return;
    this.told.set(key, now);
    const progress = progressBar(current, total);
    this.send({ status, progressDetail: { current, total }, progress, id });
  }

  /** API: what programs read of a push (PushResult) or a build. */
  aux(aux: unknown): void {
    this.send({ progressDetail: {}, aux });
  }

  /** All lines are where they belong. @throws what went wrong there */
  async flush(): Promise<void> {
    await this.last;
  }

  private send(line: unknown): void {
    this.last = this.last.then(() => this.onLine(line));
    // Whoever flushes sees it.
    this.last.catch(() => {});
  }
}

/** API: the deprecated field `progress`, which the CLI shows where it knows no better: `[====>   ] 1.2MB/3MB`. */
export function progressBar(current: number, total: number): string {
  if (total <= 0) return humanSize(current).padStart(8);
  const filled = Math.min(BAR_WIDTH, Math.trunc(((current / total) * 100) / 2));
  const bar = `[${'='.repeat(filled)}>${' '.repeat(BAR_WIDTH - filled)}] `;
  const count = humanSize(current).padStart(8);
  return bar + (current > total ? count : `${count}/${humanSize(total)}`);
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Decimal units and four significant digits, as Docker shows sizes. */
function humanSize(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${Number(size.toPrecision(4))}${UNITS[unit]}`;
}
