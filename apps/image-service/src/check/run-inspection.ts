import { Inject, Injectable } from '@nestjs/common';
import { RunProcesses } from '../build/run/run-process';
import type { Finding, Inspection } from './finding';

/** What runs for a build whose image-service is gone. Before the directories: it works in them. */
@Injectable()
export class RunInspection implements Inspection {
  readonly subject = 'build steps';

  constructor(@Inject(RunProcesses) private readonly processes: RunProcesses) {}

  async *inspect(): AsyncGenerator<Finding> {
    for (const name of this.processes.abandoned()) {
      const mend = async () => {
        await this.processes.clear(name);
        return 'ended and removed';
      };
      const problem = 'runs for a build of a process that is gone';
      yield { kind: 'build-step', id: name, problem, mending: { by: 'sweep', mend } };
    }
  }
}
