import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { SystemError, hasCode } from './errno';
import { startInNamespaces } from './namespace-holder';
import { check, lastErrno, libc } from './native';

/** clone(2) namespace types. */
export const NamespaceType = {
  network: 0x40000000,
  mount: 0x00020000,
  uts: 0x04000000,
  ipc: 0x08000000,
  pid: 0x20000000,
  user: 0x10000000,
  cgroup: 0x02000000,
} as const;

/**
 * Network namespaces, of the calling thread only: nothing here awaits, so no other code of the process and no other
 * thread ever sees the change. While the kernel tears namespaces down these calls can stall for 50-90 ms; a service
 * with a request path calls them from one worker thread.
 */
export interface Namespaces {
  /**
   * Makes an empty network namespace (its loopback is down) and keeps it alive as a file at `path`. With `userNamespace`, the
   * path of a kept one, it belongs to that: root there may set it up, and mount its /sys.
   */
  createNetworkNamespace(path: string, userNamespace?: string): void;
  /** Lets go of a namespace kept at `path`; the kernel removes it when nothing uses it. No error if it is gone. */
  removeNetworkNamespace(path: string): void;
  /** O_CLOEXEC descriptor of a namespace: a kept one, `/proc/<pid>/ns/net` ... The caller closes it. */
  openNetworkNamespace(path: string): number;
  /**
   * Runs a synchronous callback inside a network namespace given by path or descriptor, and comes back. The callback
   * must start nothing asynchronous: a thread that libuv makes at that moment would stay in the namespace for ever.
   */
  withinNetworkNamespace<T>(namespace: string | number, action: () => T): T;
}

const setns = libc.declare('int setns(int fd, int type)');
const unshare = libc.declare('int unshare(int flags)');
const mount = libc.declare(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
const umount2 = libc.declare('int umount2(const char *target, int flags)');

const OWN_NETWORK = '/proc/thread-self/ns/net';
const MS_BIND = 4096;
const MNT_DETACH = 2;
const READ = constants.O_RDONLY;

export class KernelNamespaces implements Namespaces {
  createNetworkNamespace(path: string, userNamespace?: string): void {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_CREAT | constants.O_EXCL, 0o444));
    try {
      if (userNamespace !== undefined) return this.createOwned(path, userNamespace);
      this.returningHome(() => {
        check(unshare(NamespaceType.network), 'unshare', path);
        check(mount(OWN_NETWORK, path, '', MS_BIND, ''), 'mount', path);
      });
    } catch (error) {
      unlinkSync(path);
      throw error;
    }
  }

  removeNetworkNamespace(path: string): void {
    // Where several are mounted on one another, all of them: the file cannot go before.
    while (umount2(path, MNT_DETACH) === 0);
    const error = new SystemError(lastErrno(), 'umount', path);
    if (!hasCode(error, 'EINVAL', 'ENOENT')) throw error;
    try {
      unlinkSync(path);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }

  openNetworkNamespace(path: string): number {
    return openSync(path, READ);
  }

  withinNetworkNamespace<T>(namespace: string | number, action: () => T): T {
    const fd = typeof namespace === 'string' ? this.openNetworkNamespace(namespace) : namespace;
    try {
      return this.returningHome(() => {
        check(setns(fd, NamespaceType.network), 'setns', String(namespace));
        return action();
      });
    } finally {
      if (typeof namespace === 'string') closeSync(fd);
    }
  }

  private createOwned(path: string, userNamespace: string): void {
    const holder = startInNamespaces(['nsenter', `--user=${userNamespace}`, 'unshare', '--net']);
    try {
      check(mount(`/proc/${holder.pid}/ns/net`, path, '', MS_BIND, ''), 'mount', path);
    } finally {
      holder.end();
    }
  }

  private returningHome<T>(action: () => T): T {
    const home = openSync(OWN_NETWORK, READ);
    try {
      const result = action();
      if (result instanceof Promise) throw new TypeError('a namespace callback must be synchronous');
      return result;
    } finally {
      // A thread left in the wrong namespace would do everything after this to the wrong network.
      if (setns(home, NamespaceType.network) < 0) process.abort();
      closeSync(home);
    }
  }
}
