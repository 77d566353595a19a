import { closeSync } from 'node:fs';
import { internal } from '@gantry/shared/errors';
import { hasCode, type BindOptions, type IdMapping, type Linux } from '@gantry/shared/linux';

/** Makes `source` visible at `target`, its owners as users of containers. @throws Internal where the file system cannot */
export function bindMapped(
  linux: Pick<Linux, 'mounts' | 'userNamespaces'>,
  source: string,
  target: string,
  mapping: IdMapping,
  options: Pick<BindOptions, 'readonly'> = {},
): void {
  const namespace = linux.userNamespaces.create(mapping);
  try {
    linux.mounts.bindMapped(source, target, namespace, options);
  } catch (error) {
    if (!hasCode(error, 'EINVAL', 'ENOSYS')) throw error;
    throw internal('remapped user namespaces need a file system that can be mounted with mapped ids', error);
  } finally {
    closeSync(namespace);
  }
}
