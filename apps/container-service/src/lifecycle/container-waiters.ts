import { Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import type { ContainerRecord } from '../records/container-record';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface WaitOutcome {
  statusCode: number;
  error: string;
}

interface Waiter {
  condition: WaitCondition;
  resolve: (outcome: WaitOutcome) => void;
}

/** How long the end of a container that removed itself is told to who asks after it. Milliseconds. */
const REMEMBERED_MS = 10_000;

/** `''` is not-running. @throws InvalidArgument in Docker's words. */
export function waitCondition(given: string): WaitCondition {
  if (given === '') return 'not-running';
  if (given === 'not-running' || given === 'next-exit' || given === 'removed') return given;
  throw invalidArgument(`invalid condition: "${given}"`);
}

/** Who waits for a container to end or to be removed. */
@Injectable()
export class ContainerWaiters {
  private readonly waiters = new Map<string, Set<Waiter>>();
  private readonly rememberedEnds = new Map<string, WaitOutcome>();

  /** Registered when this returns. `signal` ends the waiting (the promise is then never settled). */
  wait(record: ContainerRecord, condition: WaitCondition, signal?: AbortSignal): Promise<WaitOutcome> {
    if (condition === 'not-running' && !record.state.Running) return Promise.resolve(outcomeOf(record));
    return new Promise((resolve) => {
      const waiter = { condition, resolve };
      const all = this.waiters.get(record.id) ?? new Set();
      this.waiters.set(record.id, all.add(waiter));
      signal?.addEventListener('abort', () => all.delete(waiter), { once: true });
    });
  }

  /** It ended, whether or not its policy starts it again: `docker wait` returns at each end. */
  exited(record: ContainerRecord): void {
    this.settle(record, (condition) => condition !== 'removed');
  }

  /** What kept it from starting is told by the start, not to who waits for its removal, as with dockerd. */
  removed(record: ContainerRecord): void {
    this.settle(record, () => true, '');
    this.waiters.delete(record.id);
  }

  /** `--rm` took it away. Libraries wait only after the start, when what is short has come and gone. */
  removedItself({ id, state }: ContainerRecord): void {
    this.rememberedEnds.set(id, { statusCode: state.ExitCode, error: '' });
    setTimeout(() => this.rememberedEnds.delete(id), REMEMBERED_MS).unref();
  }

  /** Of a container that removed itself just now. @param id whole */
  rememberedEnd(id: string, condition: WaitCondition): WaitOutcome | undefined {
    return condition === 'next-exit' ? undefined : this.rememberedEnds.get(id);
  }

  private settle(
    record: ContainerRecord,
    matches: (condition: WaitCondition) => boolean,
    error = record.state.Error,
  ): void {
    const all = this.waiters.get(record.id);
    for (const waiter of all ?? []) {
      if (!matches(waiter.condition)) continue;
      all?.delete(waiter);
      waiter.resolve({ ...outcomeOf(record), error });
    }
  }
}

function outcomeOf(record: ContainerRecord): WaitOutcome {
  return { statusCode: record.state.ExitCode, error: record.state.Error };
}
