import { Inject, Injectable } from '@nestjs/common';
import { conflict, internal } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import type { ContainerProcess, ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { ContainerEvents } from './container-events';
import { ContainerLocks } from './container-locks';

/** Freezes and thaws all processes of a container. */
@Injectable()
export class ContainerPauser {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly store: ContainerStore,
    private readonly locks: ContainerLocks,
    private readonly events: ContainerEvents,
  ) {}

  async pause(reference: string): Promise<void> {
    await this.change(reference, async (record, process) => {
      if (record.state.Paused) throw conflict(`Container ${record.id} is already paused`);
      await this.linux.cgroups.freeze(process.cgroup);
      Object.assign(record.state, { Paused: true, Status: 'paused' });
      await this.store.settle(record);
      this.events.publish(record, 'pause');
    });
  }

  async unpause(reference: string): Promise<void> {
    const { state, id } = this.store.resolve(reference);
    // With the code that dockerd answers with, whatever else the container is doing.
    if (!state.Paused) throw internal(`Container ${id} is not paused`);
    await this.change(reference, async (record, process) => {
      if (!record.state.Paused) throw internal(`Container ${id} is not paused`);
      await this.linux.cgroups.thaw(process.cgroup);
      Object.assign(record.state, { Paused: false, Status: 'running' });
      await this.store.settle(record);
      this.events.publish(record, 'unpause');
    });
  }

  private async change(
    reference: string,
    action: (record: ContainerRecord, process: ContainerProcess) => Promise<void>,
  ): Promise<void> {
    const { id } = this.store.resolve(reference);
    await this.locks.hold(id, async () => {
      const record = this.store.resolve(id);
      if (record.state.Restarting) {
        throw conflict(`Container ${id} is restarting, wait until the container is running`);
      }
      if (!record.state.Running || !record.process) throw conflict(`Container ${id} is not running`);
      await action(record, record.process);
    });
  }
}
