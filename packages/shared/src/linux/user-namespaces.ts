import { closeSync, existsSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { mapText, type IdMapping } from './id-mapping';
import type { Mounts } from './mounts';
import { startInNamespaces } from './namespace-holder';

/** User namespaces. */
export interface UserNamespaces {
  /** Makes one. O_CLOEXEC descriptor, which the caller closes; the namespace lives as long as somebody holds it. */
  create(mapping: IdMapping): number;
  /** Keeps one alive as a file at `path`: nothing is done where one is kept there. */
  keep(path: string, mapping: IdMapping): void;
}

export class KernelUserNamespaces implements UserNamespaces {
  constructor(private readonly mounts: Pick<Mounts, 'isMountPoint' | 'bindMount'>) {}

  create(mapping: IdMapping): number {
    const holder = startInNamespaces(['unshare', '--user']);
    try {
      // Two writes to two files: the kernel takes a map whole and once.
      writeFileSync(`/proc/${holder.pid}/uid_map`, mapText(mapping.uids));
      writeFileSync(`/proc/${holder.pid}/gid_map`, mapText(mapping.gids));
      return openSync(`/proc/${holder.pid}/ns/user`, 'r');
    } finally {
      holder.end();
    }
  }

  keep(path: string, mapping: IdMapping): void {
    if (this.mounts.isMountPoint(path)) return;
    if (existsSync(path)) unlinkSync(path);
    writeFileSync(path, '', { flag: 'wx', mode: 0o444 });
    const namespace = this.create(mapping);
    try {
      this.mounts.bindMount(`/proc/self/fd/${namespace}`, path);
    } finally {
      closeSync(namespace);
    }
  }
}
