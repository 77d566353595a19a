import { closeSync } from 'node:fs';
import { posix } from 'node:path';
import { internal, invalidArgument } from '@gantry/shared/errors';
import { hasCode, rootOf, type IdMapping, type Linux } from '@gantry/shared/linux';

/**
 * Makes the working directory in the image's file system where it does not exist, as Docker does.
 * @returns it, as an absolute path
 * @throws InvalidArgument where something else is in its place
 */
export function makeWorkingDirectory(
  linux: Pick<Linux, 'paths' | 'credentials'>,
  rootfs: string,
  configured: string,
  mapping: IdMapping | undefined,
): string {
  const directory = posix.resolve('/', configured);
  if (directory === '/') return directory;
  try {
    const make = (): void => closeSync(linux.paths.mkdirAllInRoot(rootfs, directory, 0o755));
    if (mapping) linux.credentials.as(rootOf(mapping), make);
    else make();
  } catch (error) {
    if (hasCode(error, 'ENOTDIR', 'EEXIST')) {
      throw invalidArgument(`Cannot mkdir: ${directory} is not a directory`);
    }
    throw internal(`cannot make the working directory ${directory}`, error);
  }
  return directory;
}
