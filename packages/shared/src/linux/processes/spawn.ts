import { closeSync, constants, openSync } from 'node:fs';
import { SystemError } from '../errno';
import { check, libc } from '../native';
import type { SpawnOptions } from './processes';

const posixSpawn = libc.declare(
  'int posix_spawn(void *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)',
);
const actionsInit = libc.declare('int posix_spawn_file_actions_init(void *actions)');
const actionsDestroy = libc.declare('int posix_spawn_file_actions_destroy(void *actions)');
const actionsAddDup2 = libc.declare('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)');
const actionsAddChdir = libc.declare(
  'int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)',
);
const actionsAddClose = libc.declare('int posix_spawn_file_actions_addclose(void *actions, int fd)');
const actionsAddCloseFrom = libc.declare(
  'int posix_spawn_file_actions_addclosefrom_np(void *actions, int from)',
);
const attributesInit = libc.declare('int posix_spawnattr_init(void *attributes)');
const attributesSetFlags = libc.declare('int posix_spawnattr_setflags(void *attributes, short flags)');
const attributesSetDefault = libc.declare(
  'int posix_spawnattr_setsigdefault(void *attributes, void *signals)',
);
const attributesSetMask = libc.declare('int posix_spawnattr_setsigmask(void *attributes, void *signals)');
const sigemptyset = libc.declare('int sigemptyset(void *signals)');
const fcntl = libc.declare('int fcntl(int fd, int command, int argument)');

/** Room for glibc's opaque structures (80, 336 and 128 bytes on 64-bit Linux). */
const ACTIONS_SIZE = 128;
const ATTRIBUTES_SIZE = 512;
const SIGSET_SIZE = 128;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const F_DUPFD_CLOEXEC = 1030;
/** Above every number a child is given a descriptor at. */
const OUT_OF_THE_WAY = 256;

let devNull: number | undefined;
const attributes = new Map<boolean, Buffer>();

/** Starts a program and returns its pid. A program that cannot be executed is a SystemError, not a child that fails. */
export function posixSpawnProgram(options: SpawnOptions): number {
  devNull ??= openSync('/dev/null', constants.O_RDWR);
  const wanted = new Map<number, number>([
    [0, devNull],
    [1, devNull],
    [2, devNull],
  ]);
  for (const [child, own] of Object.entries(options.fds ?? {})) wanted.set(Number(child), own);

  const moved: number[] = [];
  const actions = Buffer.alloc(ACTIONS_SIZE);
  actionsInit(actions);
  try {
    for (const [child, own] of wanted) {
      // dup2 actions run one after the other: a source that an earlier one overwrites is copied away first.
      const clobbered = own !== child && wanted.has(own);
      const source = clobbered ? check(fcntl(own, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY), 'fcntl') : own;
      if (clobbered) moved.push(source);
      failOn(actionsAddDup2(actions, source, child), options.path);
    }
    closeOthers(actions, new Set(wanted.keys()));
    if (options.cwd !== undefined) failOn(actionsAddChdir(actions, options.cwd), options.path);
    const pid = Buffer.alloc(4);
    const environment = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
    failOn(
      posixSpawn(
        pid,
        options.path,
        actions,
        spawnAttributes(options.setsid ?? true),
        [...options.argv, null],
        [...environment, null],
      ),
      options.path,
    );
    return pid.readInt32LE(0);
  } finally {
    actionsDestroy(actions);
    moved.forEach((fd) => closeSync(fd));
  }
}

/** Ours are all O_CLOEXEC; this is for what we inherited ourselves from whoever started us. */
function closeOthers(actions: Buffer, wanted: Set<number>): void {
  const last = Math.max(...wanted);
  for (let fd = 3; fd < last; fd++) if (!wanted.has(fd)) actionsAddClose(actions, fd);
  if (libc.has('posix_spawn_file_actions_addclosefrom_np')) actionsAddCloseFrom(actions, last + 1);
}

/** The posix_spawn family returns the errno instead of setting it. */
function failOn(errno: number, path: string): void {
  if (errno !== 0) throw new SystemError(errno, 'posix_spawn', path);
}

function spawnAttributes(setsid: boolean): Buffer {
  const known = attributes.get(setsid);
  if (known) return known;
  const made = Buffer.alloc(ATTRIBUTES_SIZE);
  // Not sigfillset(3): it leaves out two signals of the C library, which posix_spawn then has ignored.
  const signals = Buffer.alloc(SIGSET_SIZE, 0xff);
  attributesInit(made);
  attributesSetDefault(made, signals);
  sigemptyset(signals);
  attributesSetMask(made, signals);
  attributesSetFlags(
    made,
    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (setsid ? POSIX_SPAWN_SETSID : 0),
  );
  attributes.set(setsid, made);
  return made;
}
