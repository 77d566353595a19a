import { createHash } from 'node:crypto';
import type { StatusResponse, Timestamp, Vertex, VertexWarning } from '@gantry/proto/buildkit';

/** A line of the classic builder's progress (API: BuildInfo). */
interface BuildLine {
  stream?: string;
  status?: string;
  id?: string;
  error?: string;
  /** `platform`: of what follows, where it is one of several. */
  aux?: {
    ID?: string;
    exporter?: Record<string, string>;
    platform?: string;
    description?: Record<string, string>;
    warnings?: BuildWarning[];
    /** The Dockerfile that warnings are about. */
    source?: { name: string; text: string };
  };
}

interface BuildWarning {
  rule: string;
  detail: string;
  description: string;
  url: string;
  line: number;
  endLine: number;
}

const STEP = /^Step (\d+)\/(\d+) : (.*)$/s;
/** What the classic builder says of itself and not of the step. */
const OWN_WORDS = /^( ---> |Removed intermediate container |Successfully (built|tagged) |\n$)/;
/** What a build does beside its steps. */
const OWN_WORK = /^(exporting|importing cache manifest from) /;
const STDERR = 2;
const STDOUT = 1;

/** Tells a build's lines as BuildKit's clients show them: a vertex a step, with what its command writes. */
export class BuildVertexes {
  /** The image, once its id is known. */
  imageId = '';
  /** What those who wrote its result say of it, for the client's program (BuildKit's ExporterResponse). */
  readonly response: Record<string, string> = {};
  /** The answer to what was asked of the Dockerfile. */
  description: Record<string, string> | undefined;
  private first = '';
  private current: Vertex | undefined;
  private begun = 0;
  private platform = '';

  /** `ref`: the build's name, which makes those of its vertexes unlike others'. */
  constructor(
    private readonly ref: string,
    private readonly now: () => Date = () => new Date(),
  ) {}

  /** Something that is done before the first step, such as the transfer of the context. */
  begin(name: string): StatusResponse {
    const before = this.ended();
    this.current = {
      // Two of one name are two.
      digest: `sha256:${createHash('sha256').update(`${this.ref}/${this.begun++}/${name}`).digest('hex')}`,
      inputs: before ? [before.digest] : [],
      name,
      cached: false,
      started: this.timestamp(),
      completed: undefined,
      error: '',
    };
    this.first ||= this.current.digest;
    return status([...(before ? [before] : []), this.current]);
  }

  /** undefined: nothing that a client shows. */
  line(line: unknown): StatusResponse | undefined {
    const { stream, status: state, id, error, aux } = line as BuildLine;
    if (aux?.ID) this.imageId = aux.ID;
    Object.assign(this.response, aux?.exporter);
    if (aux?.description) this.description = aux.description;
    if (aux?.warnings) return { vertexes: [], logs: [], warnings: this.warnings(aux.warnings, aux.source) };
    if (aux?.platform !== undefined) this.platform = `${aux.platform} `;
    if (error !== undefined) return this.fail(error);
    if (state !== undefined && OWN_WORK.test(state)) return this.begin(state);
    if (state !== undefined) return this.log(`${id ? `${id}: ` : ''}${state}\n`);
    if (stream === undefined) return undefined;
    const step = STEP.exec(stream);
    if (step) return this.begin(`[${this.platform}${step[1]}/${step[2]}] ${step[3]?.trim()}`);
    if (stream === ' ---> Using cache\n' && this.current) {
      this.current = { ...this.current, cached: true };
      return status([this.current]);
    }
    return OWN_WORDS.test(stream) ? undefined : this.log(stream);
  }

  end(): StatusResponse {
    const last = this.ended();
    return status(last ? [last] : []);
  }

  fail(error: string): StatusResponse {
    const last = this.ended();
    return status(last ? [{ ...last, error }] : []);
  }

  private ended(): Vertex | undefined {
    const last = this.current && { ...this.current, completed: this.timestamp() };
    this.current = undefined;
    return last;
  }

  /** Of what came first, which is the Dockerfile. */
  private warnings(found: BuildWarning[], source = { name: '', text: '' }): VertexWarning[] {
    const info = { filename: source.name, data: Buffer.from(source.text), language: 'Dockerfile' };
    return found.map(({ rule, detail, description, url, line, endLine }) => ({
      vertex: this.first,
      level: 1,
      short: Buffer.from(`${rule}: ${detail} (line ${line})`),
      detail: [Buffer.from(description)],
      url,
      info,
      ranges: Array.from({ length: endLine - line + 1 }, (_, index) => {
        const position = { line: line + index, character: 0 };
        return { start: position, end: position };
      }),
    }));
  }

  private log(text: string): StatusResponse | undefined {
    if (!this.current) return undefined;
    const plain = text.replace(/^\u001b\[91m|\u001b\[0m$/g, '');
    const stream = plain === text ? STDOUT : STDERR;
    const { digest: vertex } = this.current;
    return {
      vertexes: [],
      logs: [{ vertex, timestamp: this.timestamp(), stream, msg: Buffer.from(plain) }],
      warnings: [],
    };
  }

  private timestamp(): Timestamp {
    const ms = this.now().getTime();
    return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
  }
}

const status = (vertexes: Vertex[]): StatusResponse => ({ vertexes, logs: [], warnings: [] });
