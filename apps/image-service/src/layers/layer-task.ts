import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EngineError, type ErrorKind, internal } from '@gantry/shared/errors';
import type { LayerLimits } from '../image-settings';
import type { Growth, LayerSource } from './layer-source';
import type { UnpackedLayer } from './unpack-layer';

export interface LayerTask {
  source: LayerSource;
  /** Has to exist and be empty. */
  directory: string;
  limits: LayerLimits;
  /** Whether the source is still growing: the thread is told how far it is. */
  growing: boolean;
}

/** What the thread is told. */
export type LayerTaskOrder = { grown: number } | { cancel: true };
/** What the thread tells: how many bytes of the source it has read, and at last how it went. */
export type LayerTaskNotice = { consumed: number } | LayerTaskResult;
export type LayerTaskResult =
  { ok: true; layer: UnpackedLayer } | { ok: false; kind: ErrorKind; message: string };

/** DI token of {@link UnpackTask}. */
export const UNPACK_TASK = Symbol('UnpackTask');
export type UnpackTask = (
  task: Omit<LayerTask, 'growing'>,
  observer: UnpackObserver,
) => Promise<UnpackedLayer>;

export interface UnpackObserver {
  /** Ends the work; the promise rejects with its reason. */
  signal?: AbortSignal;
  /** Where the source is still being written. */
  growth?: Growth;
  /** Bytes of the source, as they are in the file, that are unpacked. */
  onConsumed?(bytes: number): void;
}

/** Unpacks in a thread of its own, which lives as long as the task: an idle service does not pay for it. */
export const unpackInWorker: UnpackTask = async (task, { signal, growth, onConsumed }) => {
  signal?.throwIfAborted();
  const worker = new Worker(join(__dirname, 'layer.worker.js'), {
    workerData: { ...task, growing: growth !== undefined } satisfies LayerTask,
    // The Linux port opens descriptors that Node does not know.
    trackUnmanagedFds: false,
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
  });
  const tell = (order: LayerTaskOrder) => worker.postMessage(order);
  const cancel = () => tell({ cancel: true });
  signal?.addEventListener('abort', cancel, { once: true });
  let ended = false;
  if (growth) void forward(growth, tell, () => ended);
  try {
    const result = await new Promise<LayerTaskResult>((resolve, reject) => {
      worker.on('message', (notice: LayerTaskNotice) => {
        if ('consumed' in notice) onConsumed?.(notice.consumed);
        else resolve(notice);
      });
      worker.once('error', reject);
      worker.once('exit', (code) => reject(internal(`the layer's worker ended with code ${code}`)));
    });
    if (result.ok) return result.layer;
    signal?.throwIfAborted();
    throw new EngineError(result.kind, result.message);
  } finally {
    ended = true;
    signal?.removeEventListener('abort', cancel);
  }
};

async function forward(
  growth: Growth,
  tell: (order: LayerTaskOrder) => void,
  ended: () => boolean,
): Promise<void> {
  for (let seen = 0; !ended();) {
    seen = await growth.beyond(seen);
    tell({ grown: seen });
  }
}
