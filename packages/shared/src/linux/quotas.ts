import { randomInt } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from './errno';
import { SYSCALL, check, libc } from './native';

/** Project quotas: limits of directory trees, of xfs and ext4 mounted with `prjquota`. Failures are SystemErrors. */
export interface Quotas {
  /** Whether the file system that holds `path` enforces them. */
  available(path: string): boolean;
  /** Lets the tree of an empty directory grow to at most `bytes`, as a project that nobody else has. */
  limit(directory: string, bytes: number): void;
  /** Takes away the limit of such a directory and with it the file system's record of the project. Others are left alone. */
  release(directory: string): void;
}

const quotactlFd = libc.declare(
  'long syscall(long number, long fd, unsigned long command, long id, void *data)',
);
const ioctl = libc.declare('int ioctl(int fd, unsigned long request, void *data)');

/** quotactl(2): the command in the upper bits, the kind of quota (2: project) in the lowest eight. */
const command = (xfs: number): number => (((('X'.charCodeAt(0) << 8) + xfs) << 8) | 2) >>> 0;
const GET_QUOTA = command(3);
const SET_LIMIT = command(4);
const GET_STATE = command(5);

/** struct fs_quota_stat of linux/dqblk_xfs.h: u16 qs_flags at 2. */
const STATE_SIZE = 80;
const PROJECTS_ENFORCED = 1 << 5;

/** struct fs_disk_quota: s8 version, s8 flags, u16 fields, u32 id, u64 hard, u64 soft (blocks of 512 bytes), ... u64 used at 40. */
const QUOTA_SIZE = 112;
const PROJECT = 2;
const LIMITS = (1 << 2) | (1 << 3);
const BLOCK = 512n;

/** struct fsxattr of linux/fs.h: u32 xflags at 0, u32 project at 12. */
const ATTRIBUTES_SIZE = 28;
const PROJECT_AT = 12;
const GET_ATTRIBUTES = 0x801c581f;
const SET_ATTRIBUTES = 0x401c5820;
const INHERIT_PROJECT = 0x200;

const FIRST_PROJECT = 1 << 20;
const LAST_PROJECT = 2 ** 31;

export class KernelQuotas implements Quotas {
  available(path: string): boolean {
    return withDirectory(path, (fd) => {
      const state = Buffer.alloc(STATE_SIZE);
      state.writeInt8(1, 0);
      try {
        check(quotactlFd(SYSCALL.quotactl_fd, fd, GET_STATE, 0, state), 'quotactl', path);
      } catch {
        return false; // no quotas, of no kind, or a kernel before 5.14
      }
      return (state.readUInt16LE(2) & PROJECTS_ENFORCED) !== 0;
    });
  }

  limit(directory: string, bytes: number): void {
    withDirectory(directory, (fd) => {
      const project = unusedProject(fd);
      const attributes = attributesOf(fd, directory);
      attributes.writeUInt32LE((attributes.readUInt32LE(0) | INHERIT_PROJECT) >>> 0, 0);
      attributes.writeUInt32LE(project, PROJECT_AT);
      // Before its limit: where this process is killed in between, whoever removes the directory still knows the project.
      check(ioctl(fd, SET_ATTRIBUTES, attributes), 'ioctl', directory);
      setLimit(fd, project, (BigInt(bytes) + BLOCK - 1n) / BLOCK, directory);
    });
  }

  release(directory: string): void {
    try {
      const lift = (fd: number): void => {
        const project = ownProject(fd, directory);
        if (project !== 0) setLimit(fd, project, 0n, directory);
      };
      withDirectory(directory, lift, constants.O_NOFOLLOW);
    } catch (error) {
      if (!hasCode(error, ...WITHOUT_PROJECTS)) throw error;
    }
  }
}

/** What calls say where there is no such directory, or its file system has no projects. */
const WITHOUT_PROJECTS = [
  'ENOENT',
  'ENOTDIR',
  'ELOOP',
  'ENOTTY',
  'EOPNOTSUPP',
  'EINVAL',
  'ENOSYS',
  'ESRCH',
  'ENODEV',
];

function attributesOf(fd: number, path: string): Buffer {
  const attributes = Buffer.alloc(ATTRIBUTES_SIZE);
  check(ioctl(fd, GET_ATTRIBUTES, attributes), 'ioctl', path);
  return attributes;
}

/** The project that begins with this directory; 0: none, as where it is that of the directory around it. */
function ownProject(fd: number, path: string): number {
  const project = attributesOf(fd, path).readUInt32LE(PROJECT_AT);
  if (project === 0) return 0;
  const around = withDirectory(join(path, '..'), (parent) => attributesOf(parent, path));
  return around.readUInt32LE(PROJECT_AT) === project ? 0 : project;
}

/** In blocks of 512 bytes; 0: no limit. */
function setLimit(fd: number, project: number, blocks: bigint, path: string): void {
  const quota = Buffer.alloc(QUOTA_SIZE);
  quota.writeInt8(1, 0);
  quota.writeInt8(PROJECT, 1);
  quota.writeUInt16LE(LIMITS, 2);
  quota.writeUInt32LE(project, 4);
  quota.writeBigUInt64LE(blocks, 8);
  quota.writeBigUInt64LE(blocks, 16);
  check(quotactlFd(SYSCALL.quotactl_fd, fd, SET_LIMIT, project, quota), 'quotactl', path);
}

/** By chance, and then looked at: no counter has to be kept, and other programs' projects are seen. */
function unusedProject(fd: number): number {
  for (;;) {
    const project = randomInt(FIRST_PROJECT, LAST_PROJECT);
    const quota = Buffer.alloc(QUOTA_SIZE);
    try {
      check(quotactlFd(SYSCALL.quotactl_fd, fd, GET_QUOTA, project, quota), 'quotactl');
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ESRCH')) return project;
      throw error;
    }
    if (quota.subarray(8, 48).every((byte) => byte === 0)) return project;
  }
}

function withDirectory<T>(path: string, action: (fd: number) => T, more = 0): T {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | more);
  try {
    return action(fd);
  } finally {
    closeSync(fd);
  }
}
