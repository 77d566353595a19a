import type { StatusResponse } from '@gantry/proto/buildkit';
import type { BuildVertexes } from './build-vertexes';

/** How often the count of a transfer is told. Milliseconds. */
const INTERVAL_MS = 100;

/** Tells of what is brought from the client: a vertex each, with how many bytes have come. */
export class ClientTransfers {
  constructor(
    private readonly vertexes: BuildVertexes,
    private readonly tell: (status: StatusResponse) => void,
  ) {}

  /** `what`: as clients show it. */
  async bring<T>(
    vertex: string,
    what: string,
    work: (onBytes: (count: number) => void) => Promise<T>,
  ): Promise<T> {
    this.tell(this.vertexes.begin(vertex));
    const id = `transferring ${what}:`;
    let last = 0;
    let bytes = 0;
    const count = (isDone: boolean) => {
      const part = this.vertexes.part({ id, name: 'transferring', current: bytes, isDone });
      if (part) this.tell(part);
    };
    const result = await work((current) => {
      bytes = current;
      if (Date.now() - last < INTERVAL_MS) return;
      last = Date.now();
      count(false);
    });
    count(true);
    this.tell(this.vertexes.end());
    return result;
  }
}
