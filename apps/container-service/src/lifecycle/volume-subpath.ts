import { join } from 'node:path';
import { internal } from '@gantry/shared/errors';
import { hasCode, O_PATH, SystemError, systemErrorText, type Linux } from '@gantry/shared/linux';
import type { ContainerMount } from '../records/container-record';

/**
 * An O_PATH descriptor of `volume-subpath` in its volume. Symlinks are followed as long as they stay inside, by the kernel
 * and in one step. @throws Internal in dockerd's words.
 */
export function openSubpath(
  linux: Pick<Linux, 'paths'>,
  mount: Pick<ContainerMount, 'Source' | 'subpath'>,
): number {
  const { Source: base, subpath = '' } = mount;
  try {
    return linux.paths.openBeneath(base, subpath, O_PATH);
  } catch (error) {
    if (hasCode(error, 'EXDEV')) {
      throw internal(
        `path concatenation escapes the base directory, base: ${JSON.stringify(base)}, subpath: ${JSON.stringify(subpath)}`,
      );
    }
    if (!(error instanceof SystemError)) throw error;
    throw internal(`cannot access path ${JSON.stringify(join(base, subpath))}: ${systemErrorText(error)}`);
  }
}
