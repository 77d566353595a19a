import { setImmediate } from 'node:timers/promises';
import type { Origin } from '../dockerfile/dockerfile';
import type { OnLines } from '../progress/progress-lines';

/** Red, as dockerd shows what a command writes to stderr. */
const RED = '\u001b[91m';
const PLAIN = '\u001b[0m';

/** What may wait to be told before who writes has to wait. Characters. */
const ROOM = 1024 * 1024;

export const shortImageId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

/**
 * What a build tells, in the words of dockerd's classic builder (API: BuildInfo), or as vertexes to clients of BuildKit. Stages
 * that are built side by side are told one after the other: a stage's lines wait until it is its turn.
 */
export class BuildOutput {
  private waiting: unknown[] = [];
  private isOpen = false;
  /** Nobody takes lines any more; what went wrong is thrown by `flush`. */
  private isBroken = false;
  private sending: Promise<void> | undefined;
  private waitingLength = 0;
  private readonly wantRoom: (() => void)[] = [];

  /** The step that is told of is one that BuildKit's clients see. */
  private isInVertex = false;

  constructor(
    private readonly onLines: OnLines,
    private readonly isForBuildKit = false,
  ) {}

  /** From here on lines go out at once, after those that waited. */
  open(): void {
    this.isOpen = true;
    this.go();
  }

  /** All lines are where they belong. @throws what went wrong there */
  async flush(): Promise<void> {
    await this.sending;
  }

  send(line: unknown): void {
    if (this.isBroken) return;
    this.waiting.push(line);
    this.go();
  }

  /** What comes while lines are on their way goes with the next ones. */
  private go(): void {
    if (!this.isOpen || this.isBroken || this.sending || this.waiting.length === 0) return;
    this.sending = this.drain();
    // Whoever flushes sees it.
    this.sending.catch(() => {});
  }

  private async drain(): Promise<void> {
    try {
      while (this.waiting.length > 0) {
        await setImmediate();
        this.waitingLength = 0;
        await this.onLines(this.waiting.splice(0));
        this.giveRoom();
      }
      this.sending = undefined;
    } catch (error) {
      this.isBroken = true;
      this.waiting = [];
      this.giveRoom();
      throw error;
    }
  }

  private giveRoom(): void {
    for (const go of this.wantRoom.splice(0)) go();
  }

  text(text: string): void {
    this.send({ stream: text });
  }

  /** What BuildKit's clients are told in another way, or not. */
  classic(line: unknown): void {
    if (!this.isForBuildKit) this.send(line);
  }

  /** Nobody but BuildKit's clients is told. */
  private vertexLine(aux: object): void {
    if (this.isForBuildKit) this.send({ aux });
  }

  step(number: number, total: number, instruction: string): void {
    this.classic({ stream: `Step ${number}/${total} : ${instruction}` });
    this.classic({ stream: '\n' });
  }

  image(id: string | null): void {
    this.classic({ stream: ` ---> ${id === null ? '' : shortImageId(id)}\n` });
  }

  /** What follows is a vertex of this name; undefined: it is none. */
  vertex(name: string | undefined): void {
    this.isInVertex = name !== undefined;
    this.vertexLine({ vertex: name ?? '' });
  }

  fromCache(): void {
    this.classic({ stream: ' ---> Using cache\n' });
    if (this.isInVertex) this.vertexLine({ cached: true });
  }

  /** A part of the vertex. */
  async part<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.vertexLine({ part: { name, isDone: false } });
    const result = await work();
    this.vertexLine({ part: { name, isDone: true } });
    return result;
  }

  /** A line of a pull: of its words BuildKit's clients get those on layers. */
  pulling(line: unknown): void {
    if (!this.isForBuildKit || (line as { id?: string }).id !== undefined) this.send(line);
  }

  /** The lines of the Dockerfile that what went wrong stands in. */
  failedAt({ line, endLine }: Pick<Origin, 'line' | 'endLine'>): void {
    if (line > 0) this.vertexLine({ failed: { line, endLine } });
  }

  running(name: string): void {
    this.classic({ stream: ` ---> Running in ${name}\n` });
  }

  removed(name: string): void {
    this.classic({ stream: ` ---> Removed intermediate container ${name}\n` });
  }

  /** A promise where so much waits, because nobody takes it or it is not this stage's turn, that the command has to wait. */
  command(stream: 'stdout' | 'stderr', text: string): Promise<void> | undefined {
    this.text(stream === 'stdout' ? text : `${RED}${text}${PLAIN}`);
    this.waitingLength += text.length;
    if (this.isBroken || this.waitingLength < ROOM) return undefined;
    return new Promise((resolve) => this.wantRoom.push(resolve));
  }

  /** What follows is for this platform, one of several. */
  platform(text: string): void {
    this.send({ aux: { platform: text } });
  }

  /** What programs read. */
  imageId(id: string): void {
    this.send({ aux: { ID: id } });
  }
}
