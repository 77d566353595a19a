import { createHash } from 'node:crypto';
import type {
  SourceInfo,
  StatusResponse,
  Timestamp,
  Vertex,
  VertexStatus,
  VertexWarning,
} from '@gantry/proto/buildkit';
import { type DockerfileRange, sourceInfo } from './build-failure';
import { type LayerLine, layerPart } from './layer-parts';

/** A line of the builder's progress (API: BuildInfo), with what it has for clients of BuildKit alone. */
interface BuildLine extends LayerLine {
  stream?: string;
  error?: string;
  aux?: {
    ID?: string;
    exporter?: Record<string, string>;
    /** Of what follows, where it is one of several. */
    platform?: string;
    description?: Record<string, string>;
    /** What follows is of this vertex; empty: of none. */
    vertex?: string;
    /** The vertex is done already. */
    cached?: true;
    part?: { name: string; isDone: boolean };
    /** The Dockerfile. */
    source?: { name: string; text: string };
    warnings?: BuildWarning[];
    /** Where the build has failed, in the Dockerfile. */
    failed?: DockerfileRange;
  };
}

interface BuildWarning extends DockerfileRange {
  rule: string;
  detail: string;
  description: string;
  url: string;
}

/** How far a part of a vertex is, in bytes; 0: not counted. */
export interface PartProgress {
  id: string;
  name?: string;
  current?: number;
  total?: number;
  isDone: boolean;
}

/** All stages that are built on one image have one vertex of it. */
const SHARED = /^\[.*\] (FROM |load metadata for )/;
const STDERR = 2;
const STDOUT = 1;

/** Tells a build's lines as BuildKit's clients show them: vertexes with their parts, and with what their commands write. */
export class BuildVertexes {
  /** The image, once its id is known. */
  imageId = '';
  /** What those who wrote its result say of it, for the client's program (BuildKit's ExporterResponse). */
  readonly response: Record<string, string> = {};
  /** The answer to what was asked of the Dockerfile. */
  description: Record<string, string> | undefined;
  source: SourceInfo | undefined;
  failed: DockerfileRange | undefined;
  private first = '';
  private current: Vertex | undefined;
  private begun = 0;
  private platform = '';
  private readonly shared = new Set<string>();
  /** When the parts of the vertex began. */
  private parts = new Map<string, Timestamp>();

  /** `ref`: the build's name, which makes those of its vertexes unlike others'. */
  constructor(
    private readonly ref: string,
    private readonly now: () => Date = () => new Date(),
  ) {}

  /** Also something that is done before the first step, such as the transfer of the context. */
  begin(name: string): StatusResponse {
    const before = this.ended();
    this.parts = new Map();
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
    if (aux) return this.told(aux);
    if (error !== undefined) return this.fail(error);
    if (id !== undefined) {
      const part = layerPart(line as LayerLine);
      return part && this.part(part);
    }
    if (state !== undefined) return this.log(`${state}\n`);
    return stream === undefined ? undefined : this.log(stream);
  }

  /** How far a part of the vertex is. */
  part({ id, name = '', current = 0, total = 0, isDone }: PartProgress): StatusResponse | undefined {
    if (!this.current) return undefined;
    const timestamp = this.timestamp();
    const started = this.parts.get(id) ?? timestamp;
    this.parts.set(id, started);
    const completed = isDone ? timestamp : undefined;
    const { digest: vertex } = this.current;
    return status([], [{ id, vertex, name, current, total, timestamp, started, completed }]);
  }

  end(): StatusResponse {
    const last = this.ended();
    return status(last ? [last] : []);
  }

  fail(error: string): StatusResponse {
    const last = this.ended();
    return status(last ? [{ ...last, error }] : []);
  }

  private told(aux: BuildLine['aux'] & object): StatusResponse | undefined {
    if (aux.ID) this.imageId = aux.ID;
    Object.assign(this.response, aux.exporter);
    if (aux.description) this.description = aux.description;
    if (aux.platform !== undefined) this.platform = `${aux.platform} `;
    if (aux.source) this.source = sourceInfo(aux.source);
    if (aux.failed) this.failed = aux.failed;
    if (aux.warnings) return { ...status([]), warnings: this.warnings(aux.warnings) };
    if (aux.vertex !== undefined) return this.next(aux.vertex);
    if (aux.part) return this.part({ ...aux.part, id: aux.part.name });
    if (!aux.cached || !this.current) return undefined;
    this.current = { ...this.current, cached: true };
    return status([this.current]);
  }

  private next(name: string): StatusResponse {
    const isShared = SHARED.test(name);
    const key = `${this.platform}${name.slice(name.indexOf(']'))}`;
    if (name === '' || (isShared && this.shared.has(key))) return this.end();
    if (isShared) this.shared.add(key);
    return this.begin(name.replace(/^\[/, `[${this.platform}`));
  }

  private ended(): Vertex | undefined {
    const last = this.current && { ...this.current, completed: this.timestamp() };
    this.current = undefined;
    return last;
  }

  /** Of what came first, which is the Dockerfile. */
  private warnings(found: BuildWarning[]): VertexWarning[] {
    return found.map(({ rule, detail, description, url, line, endLine }) => ({
      vertex: this.first,
      level: 1,
      short: Buffer.from(`${rule}: ${detail} (line ${line})`),
      detail: [Buffer.from(description)],
      url,
      info: this.source,
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
      ...status([]),
      logs: [{ vertex, timestamp: this.timestamp(), stream, msg: Buffer.from(plain) }],
    };
  }

  private timestamp(): Timestamp {
    const ms = this.now().getTime();
    return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
  }
}

const status = (vertexes: Vertex[], statuses: VertexStatus[] = []): StatusResponse => ({
  vertexes,
  statuses,
  logs: [],
  warnings: [],
});
