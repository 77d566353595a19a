import type { SolveRequest, StatusResponse } from '@gantry/proto/buildkit';
import { unavailable } from '@gantry/shared/errors';

/** A build between the call that asks for it, the one that runs it and those that watch. */
export class RunningSolve {
  /** Says what becomes of the result. It may come after whoever runs the frontend or watches. */
  readonly request: Promise<SolveRequest>;
  readonly begin: (request: SolveRequest) => void;
  private readonly updates: StatusResponse[] = [];
  readonly gone = new AbortController();
  private readonly listeners = new Set<() => void>();
  /** What whoever runs it has to say of its result. */
  response: Record<string, string> = {};
  private isOver = false;
  private settle: { resolve: (imageId: string) => void; reject: (error: unknown) => void } | undefined;
  /** The image's id, or what the build failed with. */
  readonly result = new Promise<string>((resolve, reject) => (this.settle = { resolve, reject }));

  constructor() {
    let begin: (request: SolveRequest) => void = () => {};
    this.request = new Promise((resolve) => (begin = resolve));
    this.begin = begin;
    this.result.catch(() => {}); // whoever waits for it sees it
  }

  tell(update: StatusResponse): void {
    const { vertexes, statuses, logs, warnings } = update;
    if (vertexes.length + statuses.length + logs.length + warnings.length === 0) return;
    this.updates.push(update);
    this.wake();
  }

  finish(imageId: string): void {
    this.settle?.resolve(imageId);
    this.end();
  }

  fail(error: unknown): void {
    this.settle?.reject(error);
    this.end();
  }

  /** The client has gone, or wants it no more. In Go's words, as BuildKit says it. */
  cancel(): void {
    this.gone.abort(unavailable('context canceled'));
  }

  /** All updates from the first, to the end of the build. */
  async *watch(signal: AbortSignal): AsyncGenerator<StatusResponse> {
    for (let seen = 0; !signal.aborted;) {
      const next = this.updates[seen];
      if (next) {
        seen += 1;
        yield next;
      } else if (this.isOver) return;
      else await this.change(signal);
    }
  }

  private change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const heard = (): void => {
        this.listeners.delete(heard);
        signal.removeEventListener('abort', heard);
        resolve();
      };
      this.listeners.add(heard);
      signal.addEventListener('abort', heard);
    });
  }

  private end(): void {
    this.isOver = true;
    this.wake();
  }

  private wake(): void {
    for (const heard of [...this.listeners]) heard();
  }
}
