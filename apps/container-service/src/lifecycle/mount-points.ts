import { closeSync, constants, statSync } from 'node:fs';
import { posix } from 'node:path';
import { hasCode, O_PATH, type Linux } from '@gantry/shared/linux';
import type { OciMount } from '@gantry/shared/oci';

const { O_CREAT, O_EXCL, O_WRONLY } = constants;
/** The runtime mounts these, and what is below is not in the image's file system. */
const RUNTIMES_OWN = ['/proc', '/sys', '/dev'];

/**
 * Makes what binds and tmpfs are mounted on in the root file system, where it is missing, as runc does: with mode 0755. crun
 * makes directories with the sticky bit and files that only root reads, and both stay in a commit.
 */
export function makeMountPoints({ paths }: Pick<Linux, 'paths'>, rootfs: string, mounts: OciMount[]): void {
  const wanted = mounts.filter(({ type }) => type === 'bind' || type === 'tmpfs');
  const covered = [...RUNTIMES_OWN, ...wanted.map(({ destination }) => destination)];
  for (const { type, source, destination } of wanted) {
    if (covered.some((above) => destination.startsWith(`${above}/`))) continue;
    if (RUNTIMES_OWN.includes(destination)) continue;
    try {
      closeSync(paths.openInRoot(rootfs, destination, O_PATH));
    } catch (error) {
      // What is odd about the path is for the runtime to say.
      if (!hasCode(error, 'ENOENT')) continue;
      const isFile = type === 'bind' && statSync(source, { throwIfNoEntry: false })?.isDirectory() === false;
      make(paths, rootfs, destination, isFile);
    }
  }
}

function make(paths: Linux['paths'], rootfs: string, destination: string, isFile: boolean): void {
  try {
    if (!isFile) return closeSync(paths.mkdirAllInRoot(rootfs, destination, 0o755));
    closeSync(paths.mkdirAllInRoot(rootfs, posix.dirname(destination), 0o755));
    closeSync(paths.openInRoot(rootfs, destination, O_CREAT | O_EXCL | O_WRONLY, 0o755));
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'EEXIST', 'ELOOP')) throw error;
  }
}
