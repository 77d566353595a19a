import { type OutgoingSockets, askOverTcp, askOverUdp } from './exchange';

/** How long a server has before the next is asked as well. */
const HEAD_START_MS = 250;
/** glibc and musl ask again after 5 s. */
const TIMEOUT_MS = 4_500;
/** How long a server that did not answer comes after the others. */
const PENALTY_MS = 10_000;
const RCODES_OF_TROUBLE = [2, 4, 5]; // SERVFAIL, NOTIMP, REFUSED

/** Asks the servers that know the world outside: in their order, but no slow or broken one holds a query up. */
export class Upstream {
  /** Until when a server comes last. */
  private readonly penalties = new Map<string, number>();

  /**
   * The first answer, whoever gives it: the next server is asked as soon as one fails or does not answer at once. An answer
   * that a server is in trouble counts when nobody has a better one. undefined: none came.
   */
  ask(
    servers: readonly string[],
    query: Buffer,
    sockets: OutgoingSockets,
    overTcp: boolean,
  ): Promise<Buffer | undefined> {
    const stop = new AbortController();
    const waiting = this.inOrder(servers);
    let pending = waiting.length;
    let trouble: Buffer | undefined;
    let timer: NodeJS.Timeout | undefined;
    return new Promise<Buffer | undefined>((resolve) => {
      const deadline = setTimeout(() => resolve(trouble), TIMEOUT_MS);
      stop.signal.addEventListener('abort', () => {
        clearTimeout(deadline);
        clearTimeout(timer);
      });
      const lost = (): void => {
        if (--pending === 0) resolve(trouble);
        else next();
      };
      const next = (): void => {
        clearTimeout(timer);
        const server = waiting.shift();
        if (server === undefined) return;
        timer = setTimeout(() => {
          this.penalize(server);
          next();
        }, HEAD_START_MS);
        this.exchange(server, query, sockets, overTcp, stop.signal).then(
          (answer) => {
            if (!RCODES_OF_TROUBLE.includes((answer[3] ?? 0) & 15)) {
              this.penalties.delete(server);
              return resolve(answer);
            }
            trouble ??= answer;
            lost();
          },
          () => {
            if (!stop.signal.aborted) this.penalize(server);
            lost();
          },
        );
      };
      if (pending === 0) resolve(undefined);
      else next();
    }).finally(() => stop.abort());
  }

  /** A UDP answer that is cut is fetched whole: there are clients that would not. */
  private async exchange(
    server: string,
    query: Buffer,
    sockets: OutgoingSockets,
    overTcp: boolean,
    signal: AbortSignal,
  ): Promise<Buffer> {
    if (overTcp) return askOverTcp(server, query, sockets, signal);
    const answer = await askOverUdp(server, query, sockets, signal);
    if (((answer[2] ?? 0) & 2) === 0) return answer;
    return askOverTcp(server, query, sockets, signal).catch(() => answer);
  }

  private inOrder(servers: readonly string[]): string[] {
    const now = Date.now();
    const isLate = (server: string): boolean => (this.penalties.get(server) ?? 0) > now;
    return [...servers.filter((server) => !isLate(server)), ...servers.filter(isLate)];
  }

  private penalize(server: string): void {
    this.penalties.set(server, Date.now() + PENALTY_MS);
  }
}
