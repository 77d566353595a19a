import { closeSync, constants, readFileSync } from 'node:fs';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import { hasCode, type Linux } from '@gantry/shared/linux';

export interface Owner {
  uid: number;
  gid: number;
}

/** Ids are 32 bits, and the last one means "leave it". */
const LARGEST_ID = 0xfffffffe;

/**
 * `--chown=user[:group]`, names looked up in the image's own /etc. Without a group the user's name is the group's too.
 * `root`: where the image is. @throws InvalidArgument as dockerd words it
 */
export function parseOwner(linux: Pick<Linux, 'paths'>, root: string, text: string): Owner {
  const [user = '', group = user, ...more] = text.split(':');
  if (more.length > 0 || user === '' || group === '') {
    throw invalidArgument(`invalid chown string format: ${text}`);
  }
  const fail = (what: string, name: string, reason: string) =>
    invalidArgument(
      `unable to convert uid/gid chown string to host mapping: can't find ${what} ${name}: ${reason}`,
    );
  const lookUp = (what: string, name: string, file: string, none: string): number => {
    if (/^\d+$/.test(name)) {
      const id = Number(name);
      if (id > LARGEST_ID) throw fail(what, name, 'value out of range');
      return id;
    }
    let lines: string;
    try {
      lines = readInRoot(linux, root, file);
    } catch (error) {
      const missing = hasCode(error, 'ENOENT', 'ENOTDIR');
      throw fail(what, name, missing ? `open ${file}: no such file or directory` : messageOf(error));
    }
    const found = lines.split('\n').find((line) => line.startsWith(`${name}:`));
    const id = found?.split(':')[2] ?? '';
    if (!/^\d+$/.test(id)) throw fail(what, name, `${none}: ${name}`);
    return Number(id);
  };
  return {
    uid: lookUp('uid for user', user, '/etc/passwd', 'no such user'),
    gid: lookUp('gid for group', group, '/etc/group', 'no such group'),
  };
}

function readInRoot(linux: Pick<Linux, 'paths'>, root: string, path: string): string {
  // A FIFO in the image must not stop us.
  const fd = linux.paths.openInRoot(root, path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
