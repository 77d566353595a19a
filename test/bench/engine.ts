import { Agent, request } from 'node:http';
import { dockerOn } from '../support/docker-cli';

export const BENCH_IMAGE = 'gantry-bench:1';
export const BENCH_LABEL = 'gantry.bench';

/** One engine under measurement: its API over one kept connection pool, and the stock CLI. */
export class BenchEngine {
  readonly docker;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(
    readonly name: string,
    readonly socketPath: string,
  ) {
    this.docker = dockerOn(`unix://${socketPath}`);
  }

  /** @throws where the answer is not 2xx or 304 */
  call<T = unknown>(method: string, path: string, body?: object | Buffer): Promise<T> {
    const payload = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          socketPath: this.socketPath,
          agent: this.agent,
          method,
          path: `/v1.41${path}`,
          headers: payload ? { 'content-type': type, 'content-length': payload.length } : {},
        },
        (incoming) => {
          const parts: Buffer[] = [];
          incoming.on('data', (part: Buffer) => parts.push(part));
          incoming.once('error', reject);
          incoming.once('end', () => {
            const text = Buffer.concat(parts).toString();
            const status = incoming.statusCode ?? 0;
            if (status >= 400) reject(new Error(`${this.name}: ${method} ${path}: ${status} ${text.trim()}`));
            else resolve((text.startsWith('{') || text.startsWith('[') ? parseFirst(text) : text) as T);
          });
        },
      );
      outgoing.once('error', reject);
      outgoing.end(payload);
    });
  }

  /** Imports, then tags: podman does not take the tag with the import. */
  async prepare(rootfs: Buffer): Promise<void> {
    const text = await this.call<string | object>(
      'POST',
      '/images/create?fromSrc=-&changes=ENV%20PATH%3D%2Fbin',
      rootfs,
    );
    const id = /sha256:[0-9a-f]{64}/.exec(JSON.stringify(text))?.[0];
    if (!id) throw new Error(`${this.name}: import: ${JSON.stringify(text)}`);
    await this.call('POST', `/images/${id}/tag?repo=docker.io/library/gantry-bench&tag=1`);
  }

  create(command: string[]): Promise<{ Id: string }> {
    return this.call('POST', '/containers/create', {
      Image: BENCH_IMAGE,
      Cmd: command,
      Labels: { [BENCH_LABEL]: '1' },
    });
  }

  /** create + start + wait + remove of `true`. */
  async cycle(): Promise<void> {
    const { Id } = await this.create(['true']);
    await this.call('POST', `/containers/${Id}/start`);
    const { StatusCode } = await this.call<{ StatusCode: number }>('POST', `/containers/${Id}/wait`);
    if (StatusCode !== 0) throw new Error(`${this.name}: exit code ${StatusCode}`);
    await this.call('DELETE', `/containers/${Id}`);
  }

  /** Everything the bench made. */
  async tidy(): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify({ label: [BENCH_LABEL] }));
    const left = await this.call<{ Id: string }[]>('GET', `/containers/json?all=1&filters=${filters}`);
    for (const { Id } of left) await this.call('DELETE', `/containers/${Id}?force=1`);
    await this.call('DELETE', `/images/${BENCH_IMAGE}?force=1`).catch(() => {});
    this.agent.destroy();
  }
}

// A progress stream is several objects, one a line.
function parseFirst(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
