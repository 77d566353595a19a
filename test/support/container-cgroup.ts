import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { docker } from './engine';

/** A control file, by what v1 and v2 call it. */
export interface ControlFile {
  v1: [controller: string, file: string];
  v2: string;
}

export const cgroupV2 = existsSync('/sys/fs/cgroup/cgroup.controllers');

/** The kernel's own word about the limits of a container that runs. */
export class ContainerCgroup {
  private constructor(private readonly lines: string[]) {}

  static async of(container: string): Promise<ContainerCgroup> {
    const { stdout } = await docker(['inspect', '-f', '{{.State.Pid}}', container]);
    const pid = Number(stdout);
    if (!(pid > 0)) throw new Error(`${container} does not run`);
    return new ContainerCgroup(readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n'));
  }

  /** Without the last newline; undefined where this kernel has no such file. */
  read({ v1, v2 }: ControlFile): string | undefined {
    const [controller, file] = cgroupV2 ? ['', v2] : v1;
    const path = join('/sys/fs/cgroup', controller, this.path(controller), file);
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd() : undefined;
  }

  /** Below the root of the controller's hierarchy; any controller does on v2. */
  path(controller: string): string {
    const line = this.lines.find((each) => each.split(':')[1]?.split(',').includes(controller));
    return line?.split(':').slice(2).join(':') ?? '';
  }
}

/** Whether this kernel has a control file at all: in the root group on v1, in the container's on v2. */
export function kernelHas({ v1: [controller, file], v2 }: ControlFile, group?: ContainerCgroup): boolean {
  if (!cgroupV2) return existsSync(join('/sys/fs/cgroup', controller, file));
  return group?.read({ v1: [controller, file], v2 }) !== undefined;
}

/**
 * Where the weight of block devices is, and how it stands there; undefined where this kernel has none. Without bfq v2 counts from
 * 1 to 10000 (the OCI runtimes convert from 10 to 1000 linearly).
 */
export function blockWeight(
  weight: number,
  group: ContainerCgroup,
): { file: ControlFile; value: string } | undefined {
  const bfq: ControlFile = { v1: ['blkio', 'blkio.weight'], v2: 'io.bfq.weight' };
  if (kernelHas(bfq, group)) return { file: bfq, value: String(weight) };
  const plain: ControlFile = { v1: bfq.v1, v2: 'io.weight' };
  const converted = 1 + Math.floor(((weight - 10) * 9999) / 990);
  return kernelHas(plain, group) ? { file: plain, value: String(converted) } : undefined;
}
