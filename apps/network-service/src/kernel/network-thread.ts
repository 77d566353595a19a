import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import type { NetworkStack } from './network-stack';

export interface Call {
  id: number;
  method: keyof NetworkStack;
  args: unknown[];
}

export interface Answer {
  id: number;
  result?: unknown;
  error?: { message: string; code?: string };
}

/** The methods of NetworkStack as seen from the main thread. */
export type RemoteNetworkStack = {
  [K in keyof NetworkStack]: (...args: Parameters<NetworkStack[K]>) => Promise<ReturnType<NetworkStack[K]>>;
};

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

/**
 * The one thread that works on namespaces, links and nftables. Calls are carried out in the order they are made.
 * When the thread dies the process ends: the supervisor starts it again, and the start puts everything right.
 */
@Injectable()
export class NetworkThread implements OnApplicationShutdown {
  /** Calls a method of NetworkStack in the thread. */
  readonly stack: RemoteNetworkStack;
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private stopping = false;

  constructor(@Inject(INSTANCE_CONFIG) { userRemap }: InstanceConfig) {
    this.worker = new Worker(join(__dirname, 'network-stack.worker.js'), {
      workerData: { userRemap },
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 },
      // Descriptors come from system calls as well, and the resolver's go to the main thread.
      trackUnmanagedFds: false,
    });
    this.worker.on('message', (answer: Answer) => this.settle(answer));
    this.worker.on('error', (error) => {
      throw error;
    });
    this.worker.on('exit', () => {
      if (!this.stopping) throw new Error('the network thread ended');
    });
    this.stack = new Proxy({} as RemoteNetworkStack, {
      get: (_, method) =>
        // A proxy that looked like a promise would be called as one by `await`.
        method === 'then' ? undefined : (...args: unknown[]) => this.call(method as keyof NetworkStack, args),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await this.worker.terminate();
  }

  private call(method: keyof NetworkStack, args: unknown[]): Promise<unknown> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, method, args } satisfies Call);
    });
  }

  private settle({ id, result, error }: Answer): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error) waiting?.reject(Object.assign(new Error(error.message), { code: error.code }));
    else waiting?.resolve(result as never);
  }
}
