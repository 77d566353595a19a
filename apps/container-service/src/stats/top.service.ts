import { Inject, Injectable } from '@nestjs/common';
import type { JsonDocument } from '@gantry/proto/common';
import type { TopRequest } from '@gantry/proto/container';
import { conflict, internal } from '@gantry/shared/errors';
import { toJson } from '@gantry/shared/grpc';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { ContainerEvents } from '../lifecycle/container-events';
import { ContainerStore } from '../records/container-store';
import { parseProcesses, psArguments } from './process-table';

/** The processes of a container, as the host's ps shows them (API: ContainerTop). */
@Injectable()
export class TopService {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly store: ContainerStore,
    private readonly events: ContainerEvents,
  ) {}

  /** RPC Top. */
  async top(request: TopRequest): Promise<JsonDocument> {
    const args = psArguments(request.psArgs);
    const record = this.store.resolve(request.container);
    if (!record.state.Running || !record.process) throw conflict(`Container ${record.id} is not running`);
    if (record.state.Restarting)
      throw conflict(`Container ${record.id} is restarting, wait until the container is running`);
    const pids = this.linux.cgroups.pids(record.process.cgroup);
    const table = parseProcesses(await this.ps(args, pids), new Set(pids));
    this.events.publish(record, 'top');
    return toJson(table);
  }

  /** Asking for a list of processes is much faster on a full host, but not every option goes with it. */
  private async ps(args: string[], pids: number[]): Promise<string> {
    const { processes } = this.linux;
    const few = await processes.run(['ps', ...args, '-q', pids.join(',')]);
    if (few.code === 0) return few.stdout;
    const all = await processes.run(['ps', ...args], { maxOutput: 16 << 20 });
    if (all.code !== 0) throw internal(`ps: ${all.stderr.split('\n')[0]}`);
    return all.stdout;
  }
}
