/** Paths below a root that a hostile party controls: nothing here ever leaves it, whatever the symlinks say. */
export interface Paths {
  /**
   * openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS: absolute paths and symlinks are taken as below `root`,
   * `..` stops at it. `flags` are those of node:fs constants, O_CLOEXEC is added. Throws SystemError.
   */
  openInRoot(root: string | number, path: string, flags: number, mode?: number): number;
  /**
   * The path on the host of `path` as seen from inside `root`. Symlinks are followed, the last one too unless
   * `followLast` is false; components that do not exist are kept as they are.
   * Only for showing or for mounts made at once: another process may change it right after.
   */
  resolveInRoot(root: string, path: string, options?: { followLast?: boolean }): string;
  /** Makes a directory and its parents. Returns an O_PATH descriptor of it, which the caller closes. */
  mkdirAllInRoot(root: string | number, path: string, mode?: number): number;
}
