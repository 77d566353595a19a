/** What `gantry check` looks at. */
export type FindingKind =
  | 'blob'
  | 'build-step'
  | 'container-layer'
  | 'directory'
  | 'image'
  | 'ingest'
  | 'layer'
  | 'link'
  | 'manifest'
  | 'name';

/** Something that is not as it should be. */
export interface Finding {
  kind: FindingKind;
  /** A digest, an id or the name of a file. */
  id: string;
  problem: string;
  /**
   * How it is mended: `sweep`: by every sweep, since nothing is lost by it; `repair`: only when somebody asks for repair;
   * missing: not at all.
   */
  mending?: {
    by: 'sweep' | 'repair';
    /** Says what was done; undefined when it could not be done. Done twice it does nothing the second time. */
    mend(): Promise<string | undefined>;
  };
}

/** One way of looking at the node. Nothing that a living process is working on is a finding. */
export interface Inspection {
  /** For progress lines: `blobs`. */
  readonly subject: string;
  inspect(): AsyncGenerator<Finding>;
}

/** A step of an inspection that takes long. */
export interface Progress {
  subject: string;
  current: number;
  total: number;
}
export type OnProgress = (progress: Progress) => Promise<void>;

const MINUTE = 60_000;
/** Younger things may be somebody's work of this moment. Milliseconds. */
export const SETTLED_MS = 10 * MINUTE;
/** How long a layer or a blob may wait for what will refer to it. Milliseconds. */
export const UNREFERENCED_MS = 60 * MINUTE;
/** A row and its directory, or a short name and its directory, are not further apart than this. Milliseconds. */
export const MOMENT_MS = MINUTE;

export const before = (ms: number): Date => new Date(Date.now() - ms);
