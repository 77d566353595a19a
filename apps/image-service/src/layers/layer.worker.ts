import { parentPort, workerData } from 'node:worker_threads';
import { EngineError, messageOf } from '@gantry/shared/errors';
import { createLinux } from '@gantry/shared/linux';
import { FileGrowth } from './file-growth';
import type { LayerTask, LayerTaskNotice, LayerTaskOrder, LayerTaskResult } from './layer-task';
import { unpackLayer } from './unpack-layer';

/** Bytes between two notices of how far it is. */
const NOTICE_STEP = 1024 * 1024;

/** Unpacks one layer, away from the thread that answers requests. */
async function main(): Promise<LayerTaskResult> {
  const task = workerData as LayerTask;
  const growth = task.growing ? new FileGrowth() : undefined;
  const cancelled = new AbortController();
  parentPort?.on('message', (order: LayerTaskOrder) => {
    if ('grown' in order) growth?.reach(order.grown);
    else {
      cancelled.abort();
      growth?.fail(cancelled.signal.reason);
    }
  });
  let told = 0;
  const onConsumed = (consumed: number): void => {
    if (consumed - told < NOTICE_STEP) return;
    told = consumed;
    parentPort?.postMessage({ consumed } satisfies LayerTaskNotice);
  };
  try {
    const watch = { growth, signal: cancelled.signal, onConsumed };
    return { ok: true, layer: await unpackLayer(createLinux(), task, watch) };
  } catch (error) {
    const kind = error instanceof EngineError ? error.kind : 'Internal';
    return { ok: false, kind, message: messageOf(error) };
  }
}

void main().then((result) => {
  parentPort?.postMessage(result);
  parentPort?.close();
});
