import { mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SystemError, hasCode } from '../errno';
import { MountFlag, Mounts } from '../mounts';
import type { CgroupLayout, CgroupStats, Cgroups } from './cgroups';
import { controllerMountPoint, detectLayout, missingControllers } from './layout';
import { onOomV1, onOomV2 } from './oom-notices';
import { ControlFiles, readOomKills, readStats } from './stats';

const DEFAULT_TIMEOUT_MS = 2_000;
const FREEZE_TIMEOUT_MS = 10_000;
const EBUSY = 16;
const ETIMEDOUT = 110;

export class KernelCgroups implements Cgroups {
  private known?: CgroupLayout;

  constructor(private readonly mounts: Pick<Mounts, 'listMounts' | 'mount'>) {}

  layout(): CgroupLayout {
    return (this.known ??= detectLayout(this.mounts.listMounts(), unifiedControllers));
  }

  prepareHost(): string[] {
    const layout = this.layout();
    const offered = layout.mounts.unified === undefined ? [] : unifiedControllers(layout.mounts.unified);
    const missing = missingControllers(layout, readIfPresent('/proc/cgroups') ?? '', offered);
    const done = missing.map((controller) => {
      const target = controllerMountPoint(controller);
      mkdirSync(target, { recursive: true });
      const flags = MountFlag.NOSUID | MountFlag.NODEV | MountFlag.NOEXEC;
      this.mounts.mount('cgroup', target, 'cgroup', flags, controller);
      return `Mounted the cgroup controller ${controller} at ${target}: crun refuses a hybrid host where it is only in the v2 tree.`;
    });
    this.known = undefined;
    return done;
  }

  directories(path: string): Record<string, string> {
    const below = groupPath(path);
    return Object.fromEntries(
      Object.entries(this.layout().mounts).map(([key, mountPoint]) => [key, join(mountPoint, below)]),
    );
  }

  directory(path: string, controller: string): string | undefined {
    const { version, controllers, mounts } = this.layout();
    const present = version === 'v2' ? controllers.includes(controller) : mounts[controller] !== undefined;
    const mountPoint = version === 'v2' || controller === 'unified' ? mounts.unified : mounts[controller];
    if (mountPoint === undefined || !(present || controller === 'unified')) return undefined;
    return join(mountPoint, groupPath(path));
  }

  pathOf(pid: number, controller: string): string | undefined {
    const wanted = this.layout().version === 'v2' ? '' : controller;
    return readIfPresent(`/proc/${pid}/cgroup`)
      ?.split('\n')
      .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
      .find((match) =>
        match?.[1]?.split(',').some((name) => name === wanted || name === `name=${wanted}`),
      )?.[2];
  }

  read(path: string, controller: string, file: string): string | undefined {
    const directory = this.directory(path, controller);
    return directory === undefined ? undefined : readIfPresent(join(directory, file))?.trimEnd();
  }

  write(path: string, controller: string, file: string, value: string): void {
    const directory = this.directory(path, controller);
    if (directory === undefined) throw new RangeError(`this host has no cgroup controller ${controller}`);
    // Without O_CREAT: in a group that is gone the error is ENOENT and not EPERM.
    writeFileSync(join(directory, file), value, { flag: 'r+' });
  }

  async remove(path: string, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (const directory of distinct(this.directories(path))) {
      for (let waited = 1; !removeGroup(directory); waited = Math.min(waited * 2, 50)) {
        if (Date.now() > deadline) throw new SystemError(EBUSY, 'rmdir', directory);
        await pause(waited);
      }
    }
  }

  async freeze(path: string): Promise<void> {
    const deadline = Date.now() + FREEZE_TIMEOUT_MS;
    const v1 = this.usesV1Freezer();
    const begin = (): void => {
      if (v1) this.write(path, 'freezer', 'freezer.state', 'FROZEN');
      else this.write(path, 'unified', 'cgroup.freeze', '1');
    };
    begin();
    for (let waited = 1; !this.isFrozen(path); waited = Math.min(waited * 2, 20)) {
      if (Date.now() > deadline) {
        this.thawNow(path);
        throw new SystemError(ETIMEDOUT, 'freeze', path);
      }
      await pause(waited);
      // A v1 group where processes are being made can stay half-way until it is told again.
      if (v1) begin();
    }
  }

  async thaw(path: string): Promise<void> {
    this.thawNow(path);
    while (!this.usesV1Freezer() && this.isFrozen(path)) await pause(1);
  }

  isFrozen(path: string): boolean {
    if (this.usesV1Freezer()) return this.read(path, 'freezer', 'freezer.state') === 'FROZEN';
    return /^frozen 1$/m.test(this.read(path, 'unified', 'cgroup.events') ?? '');
  }

  pids(path: string): number[] {
    // Of every hierarchy: a process that was being moved into the group may so far be in some of them only.
    return [...new Set(distinct(this.directories(path)).flatMap(members))];
  }

  async killAll(path: string, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    for (let waited = 1; ; waited = Math.min(waited * 2, 50)) {
      const alive = this.pids(path);
      if (alive.length === 0) return true;
      if (Date.now() > deadline) return false;
      this.killOnce(path, alive);
      await pause(waited);
    }
  }

  stats(path: string): CgroupStats {
    return readStats(this.controlFiles(path));
  }

  oomKills(path: string): number {
    return readOomKills(this.controlFiles(path));
  }

  onOom(path: string, told: () => void): () => void {
    const directory = this.directory(path, 'memory');
    if (directory === undefined) return () => {};
    return this.layout().version === 'v2' ? onOomV2(directory, told) : onOomV1(directory, told);
  }

  private controlFiles(path: string): ControlFiles {
    return {
      v2: this.layout().version === 'v2',
      read: (controller, file) => this.read(path, controller, file),
    };
  }

  private usesV1Freezer(): boolean {
    return this.layout().mounts.freezer !== undefined;
  }

  private thawNow(path: string): void {
    if (this.usesV1Freezer()) this.write(path, 'freezer', 'freezer.state', 'THAWED');
    else this.write(path, 'unified', 'cgroup.freeze', '0');
  }

  private killOnce(path: string, alive: number[]): void {
    try {
      // cgroup.kill (5.14) takes everything at once, also what is being forked just now.
      if (this.layout().version === 'v2') return this.write(path, 'unified', 'cgroup.kill', '1');
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
    for (const pid of alive) signalIfThere(pid);
    // A frozen process dies when it is thawed, not before.
    if (this.usesV1Freezer() && this.isFrozen(path)) this.thawNow(path);
  }
}

function unifiedControllers(mountPoint: string): string[] {
  return (readIfPresent(join(mountPoint, 'cgroup.controllers')) ?? '').split(/\s+/).filter(Boolean);
}

/** A group is always below the root: removing or freezing the root itself can only be a mistake. */
function groupPath(path: string): string {
  const normal = normalize(`/${path}`);
  if (normal === '/' || path.split('/').includes('..'))
    throw new RangeError(`not the path of a cgroup: ${path}`);
  return normal;
}

/** Controllers that share a hierarchy share its directory. */
function distinct(directories: Record<string, string>): string[] {
  return [...new Set(Object.values(directories))];
}

/** False when a process, or one just ended, still holds it. */
function removeGroup(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return true;
    if (!hasCode(error, 'EBUSY', 'ENOTEMPTY')) throw error;
  }
  let removed = 0;
  const below = subgroups(directory);
  for (const group of below) if (removeGroup(group)) removed++;
  if (below.length === 0 || removed < below.length) return false;
  return removeGroup(directory);
}

function subgroups(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory, entry.name));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function members(directory: string): number[] {
  const own = (readIfPresent(join(directory, 'cgroup.procs')) ?? '').split('\n').filter(Boolean).map(Number);
  return [...own, ...subgroups(directory).flatMap(members)];
}

function signalIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // ENODEV and EOPNOTSUPP: the group was removed meanwhile, or is of a kind without this file.
    if (hasCode(error, 'ENOENT', 'ESRCH', 'ENODEV', 'EOPNOTSUPP', 'ENOTSUP')) return undefined;
    throw error;
  }
}
