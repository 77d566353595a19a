import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

const codes = new Map<number, string>(Object.entries(constants.errno).map(([code, errno]) => [errno, code]));
/** Codes Node does not list, or for which it lists a second name last. */
codes.set(11, 'EAGAIN').set(95, 'EOPNOTSUPP').set(117, 'EUCLEAN').set(108, 'ESHUTDOWN');

/** The symbolic name of an errno, as errno(3) spells it: `2` is `ENOENT`. */
export function errnoCode(errno: number): string {
  return codes.get(errno) ?? `E${errno}`;
}

/** A system call that failed. `code` is what callers compare: `'ENOENT'`, `'EBUSY'` ... */
export class SystemError extends Error {
  readonly code: string;

  constructor(
    /** Positive errno(3) value. */
    readonly errno: number,
    /** The call that failed, e.g. `mount`. */
    readonly syscall: string,
    readonly path?: string,
    /** What the kernel or the library said beyond the number. */
    readonly detail?: string,
  ) {
    super(describe(errno, syscall, path, detail));
    this.name = 'SystemError';
    this.code = errnoCode(errno);
  }
}

/** strerror(3), as Go programs and so dockerd print it: `no such file or directory`. */
export function systemErrorText({ errno, code }: SystemError): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? code;
}

/** True when `error` carries one of these errno names, be it a SystemError or an error of node:fs. */
export function hasCode(error: unknown, ...wanted: string[]): boolean {
  const { code, errno } = (error ?? {}) as { code?: unknown; errno?: unknown };
  if (typeof code !== 'string') return false;
  // libuv knows few: of EDQUOT, say, node:fs has the number only, and that negative.
  return wanted.includes(code) || (typeof errno === 'number' && wanted.includes(errnoCode(-errno)));
}

function describe(errno: number, syscall: string, path?: string, detail?: string): string {
  return `${syscall}${path === undefined ? '' : ` ${path}`}: ${detail ? `${detail} (${errnoCode(errno)})` : errnoCode(errno)}`;
}
