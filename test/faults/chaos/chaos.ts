import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createContainer } from '../../support/containers';
import { disagreements } from '../../support/engine-audit';
import type { EngineClient } from '../../support/engine-client';
import { eventually } from '../../support/eventually';
import type { TestInstance } from '../../support/test-instance';
import { RandomNumbers } from './random-numbers';

export interface ChaosOptions {
  containers: number;
  /** How long there is chaos, milliseconds. */
  duration: number;
  /** The same seed makes the same choices; what they hit depends on the moment. */
  seed: number;
  say?: (line: string) => void;
}

interface Wanted {
  name: string;
  policy: { Name: string; MaximumRetryCount?: number };
  host: Record<string, unknown>;
  config: Record<string, unknown>;
}

type Victim = 'service' | 'monitor' | 'container' | 'exec';

const POLICIES = [
  { Name: 'no' },
  { Name: 'always' },
  { Name: 'unless-stopped' },
  { Name: 'on-failure' },
  { Name: 'on-failure', MaximumRetryCount: 3 },
];
const KINDS: Record<string, object> = {
  plain: {},
  volume: { host: { Binds: ['/v'] } },
  shm: { host: { IpcMode: 'shareable' } },
  init: { host: { Init: true } },
  checked: { config: { Healthcheck: { Test: ['CMD', 'true'], Interval: 5e9 } } },
  hostNetwork: { host: { NetworkMode: 'host' } },
};
/** Milliseconds between two kills, and between two of container-service. */
const PAUSE = { least: 20, most: 250 };
const SERVICE_PAUSE = { least: 1_000, most: 12_000 };
/** Restart policies wait up to a minute; what was killed last has to come back. */
const CALM_MS = 150_000;

/**
 * Kills container-service, monitors, processes of containers and execs at random, while a client starts what has ended and
 * runs execs. Then all has to be well: see {@link Chaos.settle}.
 */
export class Chaos {
  readonly kills: Record<Victim, number> = { service: 0, monitor: 0, container: 0, exec: 0 };
  private readonly random: RandomNumbers;
  private readonly wanted: Wanted[] = [];
  private over = false;

  constructor(
    private readonly instance: TestInstance,
    private readonly api: EngineClient,
    private readonly options: ChaosOptions,
  ) {
    this.random = new RandomNumbers(options.seed);
  }

  /** The containers, mixed policies and kinds, all running. */
  async populate(): Promise<void> {
    const kinds = Object.keys(KINDS);
    for (let index = 0; index < this.options.containers; index += 1) {
      const policy = POLICIES[index % POLICIES.length] ?? { Name: 'no' };
      const kind = kinds[Math.floor(index / POLICIES.length) % kinds.length] ?? 'plain';
      const { host = {}, config = {} } = KINDS[kind] as Partial<Wanted>;
      const name = `chaos-${index}-${kind}`;
      this.wanted.push({ name, policy, host, config });
    }
    const queue = [...this.wanted];
    const worker = async () => {
      for (let each = queue.shift(); each; each = queue.shift()) {
        const { name, policy, host, config } = each;
        await createContainer(
          { name, cmd: ['sleep', '100000'], config, host: { ...host, RestartPolicy: policy } },
          this.api,
        );
        const { status, text } = await this.api.post(`/containers/${name}/start`);
        if (status !== 204) throw new Error(`start of ${name}: ${status} ${text}`);
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
  }

  async rage(): Promise<void> {
    this.over = false;
    const end = sleep(this.options.duration).then(() => (this.over = true));
    await Promise.all([end, this.killProcesses(), this.killService(), this.useContainers()]);
    this.options.say?.(`killed ${JSON.stringify(this.kills)}`);
  }

  /**
   * Waits until the policies have had their way and API, kernel and disk agree on every container.
   * @throws with a line for each thing that is wrong
   */
  async settle(): Promise<void> {
    await eventually(async () => {
      const wrong = [...(await disagreements(this.instance, this.api)), ...(await this.unfulfilled())];
      if (wrong.length > 0) throw new Error(`after the chaos:\n${wrong.join('\n')}`);
    }, CALM_MS);
  }

  /** Removes the containers; nothing of them may be left. @throws as {@link settle} */
  async removeAll(): Promise<void> {
    for (const { name } of this.wanted) await this.api.delete(`/containers/${name}?force=1&v=1`);
    await this.settle();
  }

  private async unfulfilled(): Promise<string[]> {
    const { body } =
      await this.api.get<{ Names: string[]; State: string; Status: string }[]>('/containers/json?all=1');
    return this.wanted.flatMap(({ name, policy }) => {
      const found = body.find(({ Names }) => Names.includes(`/${name}`));
      if (!found) return body.length === 0 ? [] : [`${name} is gone`];
      const mustRun =
        policy.Name !== 'no' && !(policy.Name === 'on-failure' && (policy.MaximumRetryCount ?? 0) > 0);
      // 128: its process was killed before it could begin, which is a start that failed.
      const ended = found.State === 'exited' && /^Exited \((137|128)\)/.test(found.Status);
      const fine = found.State === 'running' || (!mustRun && ended);
      return fine ? [] : [`${name} (${policy.Name}): ${found.State}, ${found.Status}`];
    });
  }

  private async killProcesses(): Promise<void> {
    while (!this.over) {
      await sleep(this.random.between(PAUSE.least, PAUSE.most));
      const kind = this.random.of<Victim>(['monitor', 'monitor', 'container', 'container', 'exec']) ?? 'exec';
      const victim = this.random.of(this.victims(kind));
      if (victim !== undefined) this.kill(kind, victim);
    }
  }

  private async killService(): Promise<void> {
    while (!this.over) {
      await sleep(this.random.between(SERVICE_PAUSE.least, SERVICE_PAUSE.most));
      try {
        this.kill('service', this.instance.pid('container'));
      } catch {
        // It is on its way up again.
      }
    }
  }

  private kill(kind: Victim, pid: number): void {
    try {
      process.kill(pid, 'SIGKILL');
      this.kills[kind] += 1;
    } catch {
      // It was faster.
    }
  }

  private victims(kind: Victim): number[] {
    const { name, dataRoot, runDir } = this.instance;
    if (kind === 'container') return pidsBelow(`/sys/fs/cgroup/pids/${name}`, `/sys/fs/cgroup/${name}`);
    const marks =
      kind === 'exec' ? ['sh', `${runDir}/containers/execs/`] : ['conmon', `${dataRoot}/containers/`];
    return readdirSync('/proc').flatMap((pid) => {
      const [program = '', ...args] = /^\d+$/.test(pid) ? argumentsOf(pid) : [];
      const matches =
        program.endsWith(marks[0] ?? '') && args.some((each) => each.startsWith(marks[1] ?? ''));
      return matches ? [Number(pid)] : [];
    });
  }

  /** A client that does not mind errors: it starts what has ended, and has something run in what runs. */
  private async useContainers(): Promise<void> {
    while (!this.over) {
      const { name = '' } = this.random.of(this.wanted) ?? {};
      await this.api.post(`/containers/${name}/start`).catch(() => {});
      await this.api
        .post<{ Id?: string }>(`/containers/${name}/exec`, { Cmd: ['sleep', '5'] })
        .then(({ body }) => this.api.post(`/exec/${body.Id}/start`, { Detach: true }))
        .catch(() => {});
      await sleep(this.random.between(PAUSE.least, PAUSE.most));
    }
  }
}

function argumentsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function pidsBelow(...groups: string[]): number[] {
  return groups.flatMap((group) => {
    try {
      return readdirSync(group).flatMap((entry) =>
        /^[0-9a-f]{64}$/.test(entry)
          ? readFileSync(join(group, entry, 'cgroup.procs'), 'utf8')
              .split('\n')
              .filter(Boolean)
              .map(Number)
          : [],
      );
    } catch {
      return []; // of another cgroup version, or gone while we looked
    }
  });
}
