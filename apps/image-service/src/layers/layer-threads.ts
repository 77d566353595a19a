import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EngineError, internal } from '@gantry/shared/errors';
import type { Growth } from './layer-source';
import type { LayerThreadNotice, LayerThreadOrder, UnpackTask } from './layer-task';
import type { UnpackedLayer } from './unpack-layer';

/** How long a thread waits for another layer: making one anew costs a tenth of a second of processor time. */
const IDLE_MS = 2_000;

/** Unpacks in threads, which live as long as there are layers: an idle service does not pay for them. */
export class LayerThreads {
  private readonly idle = new Map<Worker, NodeJS.Timeout>();

  readonly unpack: UnpackTask = async (task, { signal, growth, onConsumed }) => {
    signal?.throwIfAborted();
    const worker = this.take();
    const tell = (order: LayerThreadOrder) => worker.postMessage(order);
    const cancel = () => tell({ cancel: true });
    signal?.addEventListener('abort', cancel, { once: true });
    let isOver = false;
    try {
      const result = await new Promise<UnpackedLayer>((resolve, reject) => {
        worker.on('message', (notice: LayerThreadNotice) => {
          if ('consumed' in notice) onConsumed?.(notice.consumed);
          else if (notice.ok) resolve(notice.layer);
          else reject(new EngineError(notice.kind, notice.message));
        });
        worker.once('error', reject);
        worker.once('exit', (code) => reject(internal(`the layer's thread ended with code ${code}`)));
        tell({ task: { ...task, isGrowing: growth !== undefined } });
        // Where the file ends before its time, whoever writes it cancels.
        if (growth) forward(growth, tell, () => isOver).catch(() => {});
      });
      this.giveBack(worker);
      return result;
    } catch (error) {
      if (error instanceof EngineError && worker.threadId > 0) this.giveBack(worker);
      signal?.throwIfAborted();
      throw error;
    } finally {
      isOver = true;
      signal?.removeEventListener('abort', cancel);
    }
  };

  private take(): Worker {
    const [known] = this.idle;
    if (!known) return createThread();
    const [worker, timer] = known;
    clearTimeout(timer);
    this.idle.delete(worker);
    forget(worker);
    worker.ref();
    return worker;
  }

  private giveBack(worker: Worker): void {
    forget(worker);
    const leave = () => {
      this.idle.delete(worker);
      void worker.terminate();
    };
    worker.once('error', leave);
    worker.unref();
    this.idle.set(worker, setTimeout(leave, IDLE_MS).unref());
  }
}

/** One by one: a Worker has listeners of its own, without which it is deaf. */
function forget(worker: Worker): void {
  for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
}

function createThread(): Worker {
  return new Worker(join(__dirname, 'layer.worker.js'), {
    // The Linux port opens descriptors that Node does not know.
    trackUnmanagedFds: false,
    resourceLimits: { maxYoungGenerationSizeMb: 2 },
  });
}

async function forward(
  growth: Growth,
  tell: (order: LayerThreadOrder) => void,
  isOver: () => boolean,
): Promise<void> {
  for (let seen = 0; !isOver();) {
    seen = await growth.beyond(seen);
    // By then the thread may be at another layer.
    if (!isOver()) tell({ grown: seen });
  }
}
