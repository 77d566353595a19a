import type { OnLine } from '../progress/progress-lines';

/** Red, as dockerd shows what a command writes to stderr. */
const RED = '\u001b[91m';
const PLAIN = '\u001b[0m';

export const shortImageId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

/**
 * What a build tells, in the words of dockerd's classic builder (API: BuildInfo). Stages that are built side by side are told
 * one after the other: a stage's lines wait until it is its turn.
 */
export class BuildOutput {
  private last: Promise<void> = Promise.resolve();
  private held: unknown[] | undefined = [];

  constructor(private readonly onLine: OnLine) {}

  /** From here on lines go out at once, after those that waited. */
  open(): void {
    const waiting = this.held ?? [];
    this.held = undefined;
    for (const line of waiting) this.send(line);
  }

  /** All lines are where they belong. @throws what went wrong there */
  async flush(): Promise<void> {
    await this.last;
  }

  send(line: unknown): void {
    if (this.held) {
      this.held.push(line);
      return;
    }
    this.last = this.last.then(() => this.onLine(line));
    // Whoever flushes sees it.
    this.last.catch(() => {});
  }

  text(text: string): void {
    this.send({ stream: text });
  }

  step(number: number, total: number, instruction: string): void {
    this.text(`Step ${number}/${total} : ${instruction}`);
    this.text('\n');
  }

  image(id: string | null): void {
    this.text(` ---> ${id === null ? '' : shortImageId(id)}\n`);
  }

  fromCache(): void {
    this.text(' ---> Using cache\n');
  }

  running(name: string): void {
    this.text(` ---> Running in ${name}\n`);
  }

  removed(name: string): void {
    this.text(` ---> Removed intermediate container ${name}\n`);
  }

  command(stream: 'stdout' | 'stderr', text: string): void {
    this.text(stream === 'stdout' ? text : `${RED}${text}${PLAIN}`);
  }

  /** What programs read. */
  imageId(id: string): void {
    this.send({ aux: { ID: id } });
  }
}
