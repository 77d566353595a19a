import koffi, { type KoffiFunc, type LibraryHandle } from 'koffi';
import { SystemError } from './errno';

export type NativeValue = string | number | bigint | null | Buffer | (string | null)[] | number[];
export type NativeFunction = (...values: NativeValue[]) => number;

/** A shared library that is opened on the first call of one of its functions, not on import. */
export class NativeLibrary {
  private handle?: LibraryHandle;

  constructor(private readonly soname: string) {}

  /** Whether the library can be opened on this host. */
  available(): boolean {
    try {
      this.open();
      return true;
    } catch {
      return false;
    }
  }

  /** Whether the library exports a function that only newer versions of it have. */
  has(name: string): boolean {
    try {
      this.open().symbol(name);
      return true;
    } catch {
      return false;
    }
  }

  /** A function by its C prototype. The result is the plain return value, errno is left to the caller. */
  declare<T = number>(prototype: string): (...values: NativeValue[]) => T {
    let resolved: ((...values: NativeValue[]) => T) | undefined;
    return (...values) => (resolved ??= this.open().func(prototype))(...whole(values, prototype));
  }

  /** The same, run in a thread of koffi's pool; errno is lost on the way. */
  declareAsync<T = number>(prototype: string): (...values: NativeValue[]) => Promise<T> {
    let resolved: KoffiFunc<(...values: NativeValue[]) => T> | undefined;
    return (...values) => {
      const call = (resolved ??= this.open().func(prototype) as KoffiFunc<(...values: NativeValue[]) => T>);
      return new Promise<T>((resolve, reject) => {
        call.async(...whole(values, prototype), (error: Error | null, result: T) =>
          error ? reject(error) : resolve(result),
        );
      });
    };
  }

  private open(): LibraryHandle {
    return (this.handle ??= koffi.load(this.soname));
  }
}

const EINVAL = 22;

/** A string with a NUL byte would be cut there: what was looked at before would not be what the kernel gets. */
function whole(values: NativeValue[], prototype: string): NativeValue[] {
  for (const value of values.flat()) {
    if (typeof value === 'string' && value.includes('\0')) {
      throw new SystemError(EINVAL, /(\w+)\(/.exec(prototype)?.[1] ?? prototype, value);
    }
  }
  return values;
}

export const libc = new NativeLibrary('libc.so.6');

/** errno of the last native call of this thread. */
export function lastErrno(): number {
  return koffi.errno();
}

/** Turns the -1 of a system call into a SystemError; anything else passes through. */
export function check(result: number, syscall: string, path?: string, detail?: string): number {
  if (result < 0) throw new SystemError(koffi.errno(), syscall, path, detail);
  return result;
}

/** System call numbers that are the same on every architecture (all newer than 5.0). */
export const SYSCALL = {
  pidfd_send_signal: 424,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfd_open: 434,
  openat2: 437,
  mount_setattr: 442,
  quotactl_fd: 443,
  fchmodat2: 452,
} as const;

export const AT_FDCWD = -100;
