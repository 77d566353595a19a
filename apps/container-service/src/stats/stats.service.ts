import type { ServerWritableStream } from '@grpc/grpc-js';
import { Inject, Injectable } from '@nestjs/common';
import type { JsonDocument } from '@gantry/proto/common';
import type { StatsRequest } from '@gantry/proto/container';
import { toJson, writeMessage } from '@gantry/shared/grpc';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { ContainerLifecycleEvents } from '../lifecycle/container-lifecycle-events';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { statsDocument, type Sample } from './stats-document';
import { StatsSampler } from './stats-sampler';

/** What containers use of the host (API: ContainerStats). */
@Injectable()
export class StatsService {
  /** Streams of containers, to be ended when the container goes. */
  private readonly streams = new Map<string, Set<() => void>>();

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly store: ContainerStore,
    private readonly sampler: StatsSampler,
    lifecycle: ContainerLifecycleEvents,
  ) {
    lifecycle.listen({ removed: ({ id }) => this.streams.get(id)?.forEach((end) => end()) });
  }

  /**
   * RPC Stats: every second until the client leaves or the container is removed. Without `stream` one document: after a
   * second, so that it has a difference to show, or with `one_shot` at once.
   */
  async stats(call: ServerWritableStream<StatsRequest, JsonDocument>): Promise<void> {
    const { container, stream, oneShot } = call.request;
    const record = this.store.resolve(container);
    if (stream) return this.follow(call, record);
    const running = record.state.Running;
    const document =
      oneShot || !running
        ? this.document(record, this.sampler.sample(record))
        : await new Promise<object>((resolve) => {
            const stop = this.sampler.subscribe(record, (sample, before) => {
              stop();
              resolve(this.document(record, sample, before));
            });
          });
    await writeMessage(call, toJson(document));
  }

  private async follow(
    call: ServerWritableStream<StatsRequest, JsonDocument>,
    record: ContainerRecord,
  ): Promise<void> {
    if (!(await writeMessage(call, toJson(this.document(record, this.sampler.sample(record)))))) return;
    await new Promise<void>((resolve) => {
      let writing = false;
      const stop = this.sampler.subscribe(record, (sample, before) => {
        // A client that is behind skips seconds.
        if (writing) return;
        writing = true;
        void writeMessage(call, toJson(this.document(record, sample, before))).then((there) => {
          writing = false;
          if (!there) end();
        });
      });
      const ends = this.streams.get(record.id) ?? new Set();
      const end = (): void => {
        stop();
        ends.delete(end);
        if (ends.size === 0 && this.streams.get(record.id) === ends) this.streams.delete(record.id);
        resolve();
      };
      this.streams.set(record.id, ends.add(end));
      call.on('cancelled', end);
    });
  }

  private document(record: ContainerRecord, sample?: Sample, before?: Sample): object {
    const facts = {
      v2: this.linux.cgroups.layout().version === 'v2',
      memoryTotal: this.linux.host.memoryTotal(),
    };
    return statsDocument(record, facts, sample, before);
  }
}
