import { readFileSync } from 'node:fs';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LINUX, type Linux } from '@gantry/shared/linux';
import type { ContainerRecord } from '../records/container-record';
import { timestamp } from '../records/timestamps';
import { parseHostCpu, parseInterfaces, type Sample } from './stats-document';

const INTERVAL_MS = 1_000;

/** undefined: the container does not run. */
type Listener = (sample: Sample | undefined, before: Sample | undefined) => void;

/** Counts what a container uses once a second while anybody wants to know, once for all who do. */
@Injectable()
export class StatsSampler implements OnApplicationShutdown {
  private readonly samplers = new Map<string, { listeners: Set<Listener>; timer: NodeJS.Timeout }>();

  constructor(@Inject(LINUX) private readonly linux: Linux) {}

  /** Calls the listener every second, at first after one. Returns what stops it. */
  subscribe(record: ContainerRecord, listener: Listener): () => void {
    const known = this.samplers.get(record.id);
    const sampler = known ?? this.begin(record);
    sampler.listeners.add(listener);
    return () => {
      sampler.listeners.delete(listener);
      if (sampler.listeners.size > 0) return;
      clearInterval(sampler.timer);
      if (this.samplers.get(record.id) === sampler) this.samplers.delete(record.id);
    };
  }

  /** Now. undefined when the container does not run. */
  sample(record: ContainerRecord): Sample | undefined {
    const { state, process, hostConfig } = record;
    if (!state.Running || state.Pid === 0 || !process) return undefined;
    try {
      const time = timestamp();
      const cgroup = this.linux.cgroups.stats(process.cgroup);
      const host = parseHostCpu(readFileSync('/proc/stat', 'utf8'));
      const networks =
        hostConfig.NetworkMode === 'host'
          ? undefined
          : parseInterfaces(readFileSync(`/proc/${state.Pid}/net/dev`, 'utf8'));
      return { time, cgroup, host, networks };
    } catch {
      return undefined; // it ended while we looked
    }
  }

  onApplicationShutdown(): void {
    for (const { timer } of this.samplers.values()) clearInterval(timer);
  }

  private begin(record: ContainerRecord): { listeners: Set<Listener>; timer: NodeJS.Timeout } {
    const listeners = new Set<Listener>();
    let before = this.sample(record);
    const timer = setInterval(() => {
      const now = this.sample(record);
      for (const each of [...listeners]) each(now, before);
      before = now;
    }, INTERVAL_MS);
    const sampler = { listeners, timer };
    this.samplers.set(record.id, sampler);
    return sampler;
  }
}
