import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is done to an answer; the parts go together. Positions are in the whole blob, whatever range of it is sent. */
export interface Fault {
  /** The upstream is not asked; this is the whole answer. */
  answer?: { status: number; headers?: Record<string, string>; body?: Buffer | string };
  /** 307 to the same path of another server. */
  redirect?: string;
  /** The position at which the connection is cut. */
  cutAt?: number;
  /** At this position nothing more comes until `until` resolves. */
  hold?: { at: number; until: Promise<unknown> };
  /** The whole blob comes with 200, whatever was asked for. */
  ignoreRange?: boolean;
  /** Bytes that the header Content-Length says too many or too few. The connection ends with the body. */
  lengthLie?: number;
  /** The position of a byte of the answer that is changed. */
  corruptAt?: number;
}

/** A request that came, and what went back of it. */
export interface Passed {
  method: string;
  path: string;
  authorization?: string;
  range?: string;
  status: number;
  /** Of the body, that were handed to the client's connection. */
  bytes: number;
}

interface Rule {
  method: string;
  path: RegExp;
  fault: Fault;
  left: number;
}

/** A plain HTTP proxy before a registry that counts what it sends and does wrong what it is told to. */
export class FaultProxy {
  readonly passed: Passed[] = [];
  private rules: Rule[] = [];

  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    private readonly upstream: string | undefined,
  ) {}

  /** `upstream`: `127.0.0.1:<port>`; none: only what rules answer is there. */
  static async start(upstream?: string): Promise<FaultProxy> {
    const server = createServer((request, response) => {
      proxy.pass(request, response).catch(() => response.destroy());
    });
    const proxy = new FaultProxy(server, upstream);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** `127.0.0.1:<port>`, what image names begin with. */
  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The next `times` requests (all, without it) of that method whose path matches suffer the fault; the newest rule wins. */
  on(method: string, path: RegExp, fault: Fault, times = Infinity): void {
    this.rules.unshift({ method, path, fault, left: times });
  }

  /** From now on nothing is done wrong. */
  behave(): void {
    this.rules = [];
  }

  /** Bytes of a blob that were sent, all requests together. */
  bytesOf(digest: string): number {
    return this.passed
      .filter(({ method, path }) => method === 'GET' && path.endsWith(`/blobs/${digest}`))
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const passed: Passed = {
      method,
      path: url,
      authorization: headers.authorization,
      range: headers.range,
      status: 0,
      bytes: 0,
    };
    this.passed.push(passed);
    const fault = this.faultOf(method, url);
    const answer = fault.redirect
      ? { status: 307, headers: { location: fault.redirect + url } }
      : (fault.answer ?? (this.upstream ? undefined : { status: 404 }));
    const reply = (status: number, more: Record<string, unknown>, length?: number) => {
      passed.status = status;
      const lie = fault.lengthLie === undefined ? {} : lying((length ?? 0) + fault.lengthLie);
      response.writeHead(status, { ...more, ...lie } as Record<string, string>);
    };
    if (answer) {
      request.resume();
      const body = Buffer.from(answer.body ?? '');
      reply(answer.status, { 'content-length': body.length, ...answer.headers }, body.length);
      return this.send(method === 'HEAD' ? [] : [body], response, fault, passed);
    }
    const incoming = await this.forward(request, fault);
    const length = Number(incoming.headers['content-length'] ?? 0);
    reply(incoming.statusCode ?? 502, incoming.headers, length);
    await this.send(incoming as AsyncIterable<Buffer>, response, fault, passed);
  }

  private faultOf(method: string, path: string): Fault {
    const rule = this.rules.find((one) => one.left > 0 && one.method === method && one.path.test(path));
    if (!rule) return {};
    rule.left -= 1;
    return rule.fault;
  }

  private forward(request: IncomingMessage, fault: Fault): Promise<IncomingMessage> {
    const headers = { ...request.headers };
    if (fault.ignoreRange) delete headers.range;
    return new Promise((resolve, reject) => {
      const outgoing = send(
        `http://${this.upstream}${request.url}`,
        { method: request.method, headers },
        (incoming) => {
          // Whoever reads it sees the error; a body that nobody reads any more must not end the test run.
          incoming.on('error', () => {});
          resolve(incoming);
        },
      );
      outgoing.on('error', reject);
      request.pipe(outgoing);
    });
  }

  private async send(
    body: AsyncIterable<Buffer> | Iterable<Buffer>,
    response: ServerResponse,
    fault: Fault,
    passed: Passed,
  ): Promise<void> {
    const offset = passed.status === 206 ? Number(/^bytes=(\d+)-/.exec(passed.range ?? '')?.[1] ?? 0) : 0;
    const stops = [fault.cutAt, fault.hold?.at].filter((stop) => stop !== undefined);
    for await (const chunk of body) {
      const begin = offset + passed.bytes;
      for (const piece of splitAt(corrupted(chunk, begin, fault), begin, stops)) {
        const at = offset + passed.bytes;
        if (fault.hold && at === fault.hold.at) await fault.hold.until;
        if (at === fault.cutAt) return void response.destroy();
        if (response.destroyed) return;
        passed.bytes += piece.length;
        // Handed to the kernel, so that a cut loses nothing of it.
        await new Promise<void>((resolve) => response.write(piece, () => resolve()));
      }
    }
    response.end();
  }
}

const lying = (length: number) => ({ 'content-length': `${Math.max(0, length)}`, connection: 'close' });

function corrupted(chunk: Buffer, offset: number, { corruptAt }: Fault): Buffer {
  const at = (corruptAt ?? -1) - offset;
  if (at < 0 || at >= chunk.length) return chunk;
  const copy = Buffer.from(chunk);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

/** The chunk, which begins at `offset`, in pieces that end where the stops are. */
function splitAt(chunk: Buffer, offset: number, stops: number[]): Buffer[] {
  const cuts = stops
    .map((stop) => stop - offset)
    .filter((cut) => cut > 0 && cut < chunk.length)
    .sort((a, b) => a - b);
  const edges = [0, ...cuts, chunk.length];
  return edges.slice(1).map((end, index) => chunk.subarray(edges[index], end));
}
