import { setTimeout } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { ContainerLifecycleEvents } from '../lifecycle/container-lifecycle-events';
import type { ContainerRecord } from '../records/container-record';
import { MonitorPaths } from '../runtime/monitor-paths';

import { ProcessStreams } from './process-streams';
import type { StreamReader } from './stream-reader';

/** How long the end of a container is kept back for clients that do not read its output. Milliseconds. */
const PATIENCE_MS = 2_000;

/** A client that attached before the container runs. */
interface Waiting {
  reader: StreamReader;
  begin: (streams: ProcessStreams | undefined) => void;
}

/**
 * The streams of running containers, connected when the first client wants them. Clients of a container that does not
 * run yet are connected between its creation by the runtime and its first instruction, so that they miss nothing.
 */
@Injectable()
export class ContainerStreams {
  /** What those who are attached have still to get. */
  private readonly delivering = new Map<string, Promise<void>>();
  private readonly connected = new Map<string, Promise<ProcessStreams | undefined>>();
  private readonly waiting = new Map<string, Set<Waiting>>();

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
    lifecycle: ContainerLifecycleEvents,
  ) {
    const giveUp = (record: ContainerRecord) => this.admit(record.id, undefined);
    lifecycle.listen({
      beforeStart: (record) => this.connectWaiting(record),
      // Those who came while the start was under way.
      started: (record) => void this.connectWaiting(record),
      startFailed: giveUp,
      exited: giveUp,
      // Its log goes with it, and who is attached reads that.
      beforeRemoval: (record) => this.delivered(record.id),
      removed: giveUp,
    });
  }

  /**
   * Fills the reader with the container's output, from its start where it does not run yet. Resolves with its streams once
   * it runs; with undefined, and the reader ended, where it has ended or will never start.
   */
  attach(record: ContainerRecord, reader: StreamReader): Promise<ProcessStreams | undefined> {
    if (record.state.Running) {
      return this.connect(record.id).then((streams) => {
        if (streams) streams.add(reader);
        else reader.end();
        return streams;
      });
    }
    return new Promise((begin) => {
      const set = this.waiting.get(record.id) ?? new Set();
      this.waiting.set(record.id, set.add({ reader, begin }));
    });
  }

  /** Takes the reader away wherever it is. */
  async detach(record: ContainerRecord, reader: StreamReader): Promise<void> {
    reader.discard();
    const set = this.waiting.get(record.id);
    for (const each of set ?? []) {
      if (each.reader !== reader) continue;
      set?.delete(each);
      each.begin(undefined);
    }
    if (set?.size === 0) this.waiting.delete(record.id);
    (await this.connected.get(record.id))?.remove(reader);
  }

  /**
   * Resolves when the output of a container that has ended is on its way to those who are attached, or it is clear that one
   * of them does not read: who waits for the end does not overtake who reads.
   */
  async delivered(id: string): Promise<void> {
    const delivered = this.delivering.get(id);
    if (!delivered) return;
    const patience = new AbortController();
    const given = setTimeout(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => {});
    await Promise.race([delivered, given]);
    patience.abort();
  }

  private async connectWaiting(record: ContainerRecord): Promise<void> {
    const set = this.waiting.get(record.id);
    if (!set) return;
    const connecting = this.connect(record.id);
    for (const { reader } of set) reader.begin?.();
    this.admit(record.id, await connecting);
  }

  private admit(id: string, streams: ProcessStreams | undefined): void {
    const set = this.waiting.get(id);
    this.waiting.delete(id);
    for (const { reader, begin } of set ?? []) {
      if (streams) streams.add(reader);
      else reader.end();
      begin(streams);
    }
  }

  private connect(id: string): Promise<ProcessStreams | undefined> {
    const known = this.connected.get(id);
    if (known) return known;
    const opening = this.open(id);
    this.connected.set(id, opening);
    const forget = () => {
      if (this.connected.get(id) === opening) this.connected.delete(id);
    };
    void opening.then((streams) => {
      if (!streams) return forget();
      void streams.ended.then(forget);
      const delivered = streams.delivered.then(() => {
        if (this.delivering.get(id) === delivered) this.delivering.delete(id);
      });
      this.delivering.set(id, delivered);
    }, forget);
    return opening;
  }

  /** undefined when the monitor has ended already. */
  private async open(id: string): Promise<ProcessStreams | undefined> {
    try {
      return new ProcessStreams(await this.linux.sockets.connectAttach(this.paths.attachSocket(id)));
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ECONNREFUSED', 'ECONNRESET')) return undefined;
      throw error;
    }
  }
}
