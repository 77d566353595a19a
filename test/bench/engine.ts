import { Agent, request } from 'node:http';
import type { Socket } from 'node:net';
import { dockerOn } from '../support/docker-cli';
import { EngineClient } from '../support/engine-client';

export const BENCH_IMAGE = 'gantry-bench:1';
export const BENCH_LABEL = 'gantry.bench';

/** One engine under measurement: its API over one kept connection pool, and the stock CLI. */
export class BenchEngine {
  readonly docker;
  private readonly api;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(
    readonly name: string,
    readonly socketPath: string,
  ) {
    this.docker = dockerOn(`unix://${socketPath}`);
    this.api = new EngineClient(socketPath, '/v1.41', this.agent);
  }

  /** @throws where the answer is an error */
  async call<T = unknown>(method: string, path: string, body?: object | Buffer): Promise<T> {
    const answer = await this.api.call<T>(method, path, body);
    if (answer.status >= 400) {
      throw new Error(`${this.name}: ${method} ${path}: ${answer.status} ${answer.text.trim()}`);
    }
    return answer.body;
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

  /** `more`: of API ContainerConfig and, as `HostConfig`, HostConfig. */
  create(command: string[], more: object = {}): Promise<{ Id: string }> {
    return this.call('POST', '/containers/create', {
      Image: BENCH_IMAGE,
      Cmd: command,
      Labels: { [BENCH_LABEL]: '1' },
      ...more,
    });
  }

  /** The raw connection of an attach to what a container writes. */
  async attach(id: string): Promise<Socket> {
    return (await this.api.upgrade(`/containers/${id}/attach?stream=1&stdout=1`)).socket;
  }

  /** Reads an answer and throws it away: bytes, and milliseconds until the first of them. */
  read(path: string): Promise<{ bytes: number; first: number }> {
    const began = performance.now();
    return new Promise((resolve, reject) => {
      request({ socketPath: this.socketPath, path: `/v1.41${path}` }, (incoming) => {
        let [bytes, first] = [0, 0];
        incoming.on('data', (data: Buffer) => {
          first ||= performance.now() - began;
          bytes += data.length;
        });
        incoming.once('end', () => resolve({ bytes, first }));
        incoming.once('error', reject);
      })
        .once('error', reject)
        .end();
    });
  }

  /** Milliseconds until an answer begins; the rest of it is not read. */
  untilFirstByte(path: string): Promise<number> {
    const began = performance.now();
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.socketPath, path: `/v1.41${path}` }, (incoming) =>
        incoming.once('data', () => {
          resolve(performance.now() - began);
          asked.destroy();
        }),
      );
      asked.once('error', reject).end();
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

  async removeContainers(): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify({ label: [BENCH_LABEL] }));
    const left = await this.call<{ Id: string }[]>('GET', `/containers/json?all=1&filters=${filters}`);
    for (const { Id } of left) await this.call('DELETE', `/containers/${Id}?force=1`);
  }

  /** Everything the bench made. */
  async tidy(): Promise<void> {
    await this.removeContainers();
    await this.call('DELETE', `/images/${BENCH_IMAGE}?force=1`).catch(() => {});
    this.agent.destroy();
  }
}
