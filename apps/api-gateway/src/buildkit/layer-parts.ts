import type { PartProgress } from './build-vertexes';

/** A line of a pull or a push that is about one layer (API: ProgressInfo). */
export interface LayerLine {
  id?: string;
  status?: string;
  progressDetail?: { current?: number; total?: number };
}

/** What a layer is at, by the status of the line, and whether that is its end. */
const WORK: Readonly<Record<string, [words: string, isDone: boolean]>> = {
  Downloading: ['', false],
  'Download complete': ['', true],
  Extracting: ['extracting ', false],
  'Pull complete': ['extracting ', true],
  Pushing: ['writing layer ', false],
  Pushed: ['writing layer ', true],
};

/** The line as a part of a vertex; undefined: BuildKit's clients are not told. */
export function layerPart({ id = '', status = '', progressDetail }: LayerLine): PartProgress | undefined {
  const [words, isDone] = (Object.hasOwn(WORK, status) && WORK[status]) || [];
  if (words === undefined || isDone === undefined) return undefined;
  const { current, total } = progressDetail ?? {};
  return { id: `${words}sha256:${id}`, name: words.trim() || 'downloading', current, total, isDone };
}
