import type { ErrorKind } from '@gantry/shared/errors';
import type { LayerLimits } from '../image-settings';
import type { AdoptedSource } from './adopt-upper';
import type { Growth, LayerSource } from './layer-source';
import type { UnpackedLayer } from './unpack-layer';

export interface LayerTask {
  source: LayerSource | AdoptedSource;
  /** Has to exist, and be empty but for the diff/ that is adopted. */
  directory: string;
  limits: LayerLimits;
}

export interface UnpackObserver {
  /** Ends the work; the promise rejects with its reason. */
  signal?: AbortSignal;
  /** Where the source is still being written. */
  growth?: Growth;
  /** Bytes of the source, as they are in the file, that are unpacked. */
  onConsumed?(bytes: number): void;
}

/** DI token of {@link UnpackTask}. */
export const UNPACK_TASK = Symbol('UnpackTask');
export type UnpackTask = (task: LayerTask, observer: UnpackObserver) => Promise<UnpackedLayer>;

/** What a thread is told: a layer to unpack, one at a time, and what there is to know meanwhile. */
export type LayerThreadOrder =
  { task: LayerTask & { isGrowing: boolean } } | { grown: number } | { cancel: true };
/** What it tells: how many bytes of the source it has read, and at last how it went. */
export type LayerThreadNotice =
  { consumed: number } | { ok: true; layer: UnpackedLayer } | { ok: false; kind: ErrorKind; message: string };
