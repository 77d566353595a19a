import { parentPort, workerData } from 'node:worker_threads';
import type { UserRemap } from '@gantry/shared/config';
import { createLinux } from '@gantry/shared/linux';
import { NetworkStack } from './network-stack';
import type { Answer, Call } from './network-thread';

/** Runs the calls of {@link NetworkThread} in the order they come, one at a time. */
const port = parentPort;
if (!port) throw new Error('network-stack.worker runs as a worker thread');
const stack = new NetworkStack(createLinux(), (workerData as { userRemap?: UserRemap }).userRemap);

port.on('message', ({ id, method, args }: Call) => {
  port.postMessage(answer(id, method, args));
});

function answer(id: number, method: keyof NetworkStack, args: unknown[]): Answer {
  try {
    const run = stack[method] as (...values: unknown[]) => unknown;
    return { id, result: run.apply(stack, args) };
  } catch (error) {
    const { message, code } = error as { message: string; code?: string };
    return { id, error: { message, code } };
  }
}
