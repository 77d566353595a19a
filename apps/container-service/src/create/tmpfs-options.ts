import { posix } from 'node:path';
import { invalidArgument } from '@gantry/shared/errors';
import type { HostConfig } from '../records/api-documents';

/** Options of `--tmpfs` without a value, as mount(8) has them for every file system. */
const FLAGS = new Set(
  (
    'defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime ' +
    'nodiratime bind rbind unbindable runbindable private rprivate shared rshared slave rslave relatime norelatime ' +
    'strictatime nostrictatime'
  ).split(' '),
);
/** And those with one, of tmpfs(5). */
const VALUES = new Set(['mode', 'uid', 'gid', 'size', 'nr_inodes', 'nr_blocks', 'mpol']);

/** `--tmpfs /path:options`. @throws InvalidArgument in Docker's words. */
export function checkTmpfs({ Tmpfs }: HostConfig): void {
  for (const [destination, options] of Object.entries(Tmpfs ?? {})) {
    if (!destination.startsWith('/')) {
      throw invalidArgument(`invalid mount path: '${destination}' mount path must be absolute`);
    }
    if (posix.resolve(destination) === '/') {
      throw invalidArgument("invalid specification: destination can't be '/'");
    }
    checkOptions(options.split(','));
  }
}

function checkOptions(options: string[]): void {
  const unknown = options.findLast((option) => {
    const at = option.indexOf('=');
    return at < 0 ? option !== '' && !FLAGS.has(option) : !VALUES.has(option.slice(0, at));
  });
  if (unknown === undefined) return;
  const [name = '', ...value] = unknown.split('=');
  const parts = value.length > 0 ? [name, value.join('=')] : [name];
  throw invalidArgument(`invalid tmpfs option [${parts.map((part) => JSON.stringify(part)).join(' ')}]`);
}
