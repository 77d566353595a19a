import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EngineError, type ErrorKind, internal } from '@gantry/shared/errors';
import type { LayerSource } from './layer-source';
import type { UnpackedLayer } from './unpack-layer';

export interface LayerTask {
  source: LayerSource;
  /** Has to exist and be empty. */
  directory: string;
}

export type LayerTaskResult =
  { ok: true; layer: UnpackedLayer } | { ok: false; kind: ErrorKind; message: string };

/** DI token of {@link UnpackTask}. */
export const UNPACK_TASK = Symbol('UnpackTask');
export type UnpackTask = (task: LayerTask, observer: UnpackObserver) => Promise<UnpackedLayer>;

export interface UnpackObserver {
  /** Ends the work; the promise rejects with its reason. */
  signal?: AbortSignal;
  /** Bytes of the source, as they are in the file, that are unpacked. */
  onProgress?(consumed: number): void;
}

/** Unpacks in a thread of its own, which lives as long as the task: an idle service does not pay for it. */
export const unpackInWorker: UnpackTask = (task) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(join(__dirname, 'layer.worker.js'), {
      workerData: task,
      // The Linux port opens descriptors that Node does not know.
      trackUnmanagedFds: false,
    });
    worker.once('message', (result: LayerTaskResult) => {
      if (result.ok) resolve(result.layer);
      else reject(new EngineError(result.kind, result.message));
    });
    worker.once('error', reject);
    worker.once('exit', (code) => reject(internal(`the layer's worker ended with code ${code}`)));
  });
