import type { Owner } from './id-mapping';
import { check, libc } from './native';

/** Whose files this thread makes. */
export interface Credentials {
  /**
   * Runs a synchronous callback with another file system uid and gid (setfsuid(2)) and all capabilities: what it makes
   * belongs to `owner` from its first moment on. Files that are seen through a mapping which has no name for root cannot be
   * made in any other way (EOVERFLOW).
   */
  as<T>(owner: Owner, action: () => T): T;
}

const setfsuid = libc.declare('int setfsuid(uint32_t uid)');
const setfsgid = libc.declare('int setfsgid(uint32_t gid)');
const prctl = libc.declare(
  'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
);

const PR_GET_SECUREBITS = 27;
const PR_SET_SECUREBITS = 28;
/** Without it the kernel takes the file capabilities away with the uid (capabilities(7)). */
const NO_SETUID_FIXUP = 1 << 2;

export class KernelCredentials implements Credentials {
  as<T>(owner: Owner, action: () => T): T {
    const bits = check(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), 'prctl');
    check(prctl(PR_SET_SECUREBITS, bits | NO_SETUID_FIXUP, 0, 0, 0), 'prctl');
    const [gid, uid] = [setfsgid(owner.gid), setfsuid(owner.uid)];
    try {
      const result = action();
      if (result instanceof Promise)
        throw new TypeError('a callback with other credentials must be synchronous');
      return result;
    } finally {
      setfsuid(uid);
      setfsgid(gid);
      prctl(PR_SET_SECUREBITS, bits, 0, 0, 0);
    }
  }
}
