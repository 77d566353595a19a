import { parentPort, workerData } from 'node:worker_threads';
import { EngineError, messageOf } from '@gantry/shared/errors';
import { KernelFiles, KernelMounts, KernelPaths } from '@gantry/shared/linux';
import type { LayerTask, LayerTaskResult } from './layer-task';
import { unpackLayer } from './unpack-layer';

/** Unpacks one layer, away from the thread that answers requests. */
async function main(): Promise<LayerTaskResult> {
  const task = workerData as LayerTask;
  const linux = { files: new KernelFiles(), paths: new KernelPaths(), mounts: new KernelMounts() };
  try {
    return { ok: true, layer: await unpackLayer(linux, task.source, task.directory) };
  } catch (error) {
    const kind = error instanceof EngineError ? error.kind : 'Internal';
    return { ok: false, kind, message: messageOf(error) };
  }
}

void main().then((result) => parentPort?.postMessage(result));
