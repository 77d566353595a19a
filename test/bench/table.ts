import { median, quantile } from './statistics';

/** Prints a row a workload, a column an engine, and Gantry's figure (the first column) divided by each of the others. */
export class Table {
  constructor(
    private readonly names: string[],
    private readonly say: (line: string) => void = (line) => process.stdout.write(`${line}\n`),
  ) {
    const ratios = names.slice(1).map((name) => `/ ${name}`);
    this.say(['', ...names, ...ratios].map((cell, index) => column(cell, index)).join(''));
  }

  row(what: string, figures: number[]): void {
    const [own = Number.NaN, ...others] = figures;
    const cells = [...figures, ...others.map((other) => own / other)];
    const texts = cells.map((cell) => (Number.isFinite(cell) ? cell.toFixed(2) : '-'));
    this.say([what, ...texts].map((cell, index) => column(cell, index)).join(''));
  }

  /** The median of what was measured, and below it what 95% of the runs stay within. */
  samples(what: string, samples: Map<string, number[]>): void {
    const values = this.names.map((name) => samples.get(name) ?? []);
    this.row(`${what} (median of ${values[0]?.length ?? 0})`, values.map(median));
    this.row(
      '  95% of them at most',
      values.map((of) => quantile(of, 0.95)),
    );
  }
}

const column = (cell: string, index: number): string => (index === 0 ? cell.padEnd(52) : cell.padStart(12));
