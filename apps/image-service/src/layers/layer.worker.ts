import { parentPort } from 'node:worker_threads';
import { EngineError, messageOf } from '@gantry/shared/errors';
import { createLinux } from '@gantry/shared/linux';
import { FileGrowth } from './file-growth';
import type { LayerTask, LayerThreadNotice, LayerThreadOrder } from './layer-task';
import { makeLayer } from './make-layer';

/** Bytes between two notices of how far it is. */
const NOTICE_STEP = 1024 * 1024;

// Only words leave this thread, and names that are not there are an everyday thing here.
Error.stackTraceLimit = 0;

const linux = createLinux();
const tell = (notice: LayerThreadNotice): void => parentPort?.postMessage(notice);

/** Unpacks layers, away from the thread that answers requests. */
let current = { growth: new FileGrowth(), cancelled: new AbortController() };

parentPort?.on('message', (order: LayerThreadOrder) => {
  if ('task' in order) {
    current = { growth: new FileGrowth(), cancelled: new AbortController() };
    void unpack(order.task, order.task.isGrowing).then(tell);
  } else if ('grown' in order) current.growth.reach(order.grown);
  else {
    current.cancelled.abort();
    current.growth.fail(current.cancelled.signal.reason);
  }
});

async function unpack(task: LayerTask, isGrowing: boolean): Promise<LayerThreadNotice> {
  const { growth, cancelled } = current;
  let told = 0;
  const onConsumed = (consumed: number): void => {
    if (consumed - told < NOTICE_STEP) return;
    told = consumed;
    tell({ consumed });
  };
  try {
    const watch = { signal: cancelled.signal, onConsumed, ...(isGrowing && { growth }) };
    return { ok: true, layer: await makeLayer(linux, task, watch) };
  } catch (error) {
    const kind = error instanceof EngineError ? error.kind : 'Internal';
    return { ok: false, kind, message: messageOf(error) };
  }
}
