import { SystemError } from './errno';
import { check, lastErrno, libc } from './native';

const llistxattr = libc.declare('long llistxattr(const char *path, void *list, unsigned long size)');
const lgetxattr = libc.declare(
  'long lgetxattr(const char *path, const char *name, void *value, unsigned long size)',
);
const lsetxattr = libc.declare(
  'int lsetxattr(const char *path, const char *name, void *value, unsigned long size, int flags)',
);
const lremovexattr = libc.declare('int lremovexattr(const char *path, const char *name)');

/** XATTR_SIZE_MAX and XATTR_LIST_MAX: nothing the kernel returns is longer. */
const LARGEST = 65536;
const ENODATA = 61;
const EOPNOTSUPP = 95;
const buffer = Buffer.allocUnsafeSlow(LARGEST);

/** Of the file itself, never of a symlink's target; empty where the file system has no extended attributes. */
export function listXattrs(path: string): string[] {
  const length = llistxattr(path, buffer, LARGEST);
  if (length < 0 && lastErrno() === EOPNOTSUPP) return [];
  check(length, 'llistxattr', path);
  return buffer.toString('utf8', 0, length).split('\0').filter(Boolean);
}

/** undefined when the file has no such attribute. */
export function getXattr(path: string, attribute: string): Buffer | undefined {
  const length = lgetxattr(path, attribute, buffer, LARGEST);
  if (length < 0) {
    const errno = lastErrno();
    if (errno === ENODATA || errno === EOPNOTSUPP) return undefined;
    throw new SystemError(errno, 'lgetxattr', path, attribute);
  }
  return Buffer.from(buffer.subarray(0, length));
}

export function setXattr(path: string, attribute: string, value: Buffer): void {
  check(lsetxattr(path, attribute, value, value.length, 0), 'lsetxattr', path, attribute);
}

export function removeXattr(path: string, attribute: string): void {
  check(lremovexattr(path, attribute), 'lremovexattr', path, attribute);
}
