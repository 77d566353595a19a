import { posix } from 'node:path';
import { invalidArgument } from '@gantry/shared/errors';
import { hasCode, type Mounts } from '@gantry/shared/linux';
import type { ContainerMount } from '../records/container-record';
import type { HostConfig, MountRequest } from '../records/api-documents';
import type { OciMount } from '@gantry/shared/oci';

const DEV_OPTIONS = ['nosuid', 'strictatime', 'mode=755', 'size=65536k'];
const TMPFS_DEFAULTS = ['noexec', 'nosuid', 'nodev'];

export interface MountSources {
  resolvConf: string;
  hostname: string;
  hosts: string;
  /** Directory that is the container's /dev/shm; undefined: a tmpfs of its own. */
  shm?: string;
  /** Whether the kernel makes the mounts below a read-only one read-only too. */
  readonlyBelow: boolean;
  /** Whether the container may make groups of its own. */
  writableCgroups: boolean;
  /** The init program on the host, for `--init`. */
  init?: string;
}

/** Every mount of a container, in the order in which the runtime makes them. */
export function ociMounts(
  hostConfig: HostConfig,
  mounts: ContainerMount[],
  sources: MountSources,
): OciMount[] {
  const wanted = [
    ...mounts.map((mount) => userMount(mount, sources.readonlyBelow)),
    ...tmpfsMounts(hostConfig),
    ...tmpfsRequests(hostConfig.Mounts ?? []),
  ];
  const taken = new Set(wanted.map((mount) => mount.destination));
  const files: [string, string][] = [
    ['/etc/resolv.conf', sources.resolvConf],
    ['/etc/hostname', sources.hostname],
    ['/etc/hosts', sources.hosts],
  ];
  const access = hostConfig.ReadonlyRootfs ? ['ro'] : [];
  const own = files.map(([destination, source]) =>
    bind(source, destination, ['rbind', 'rprivate', ...access]),
  );
  if (sources.shm) own.push(bind(sources.shm, '/dev/shm', ['rbind', 'rprivate']));
  if (sources.init) own.push(bind(sources.init, '/sbin/docker-init', ['bind', 'ro']));
  const later = [...own.filter((mount) => !taken.has(mount.destination)), ...wanted];
  later.sort((a, b) => depth(a.destination) - depth(b.destination));
  const covered = new Set(later.map((mount) => mount.destination));
  return [...systemMounts(hostConfig, sources).filter((mount) => !covered.has(mount.destination)), ...later];
}

function systemMounts(hostConfig: HostConfig, sources: MountSources): OciMount[] {
  const access = hostConfig.Privileged ? 'rw' : 'ro';
  const special = ['nosuid', 'noexec', 'nodev'];
  const mounts: OciMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: special },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: DEV_OPTIONS },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...special, access] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [...special, sources.writableCgroups ? 'rw' : 'ro'],
    },
    // There is one for each IPC namespace: it is the host's or another container's where that one is shared.
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: special },
  ];
  if (!sources.shm && hostConfig.IpcMode !== 'none') {
    mounts.push({
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...special, 'mode=1777', `size=${hostConfig.ShmSize}`],
    });
  }
  return mounts;
}

function userMount(mount: ContainerMount, canReadonlyBelow: boolean): OciMount {
  const options = [mount.recursive ? 'rbind' : 'bind', mount.Propagation || 'rprivate'];
  if (!mount.RW) options.push(readonlyOption(mount, canReadonlyBelow));
  return bind(mount.Source, mount.Destination, options);
}

function readonlyOption({ readonlyBelow = 'wanted' }: ContainerMount, possible: boolean): string {
  if (readonlyBelow === 'required' && !possible) {
    throw invalidArgument('recursive read-only mounts need Linux 5.12 or newer');
  }
  return readonlyBelow !== 'no' && possible ? 'rro' : 'ro';
}

/** `--tmpfs /run:size=1m,exec`. */
function tmpfsMounts(hostConfig: HostConfig): OciMount[] {
  return Object.entries(hostConfig.Tmpfs ?? {}).map(([destination, options]) =>
    tmpfs(destination, options.split(',').filter(Boolean)),
  );
}

/** `--mount type=tmpfs`. */
function tmpfsRequests(requests: MountRequest[]): OciMount[] {
  return requests
    .filter((request) => request.Type === 'tmpfs')
    .map((request) => {
      const { SizeBytes, Mode, Options } = request.TmpfsOptions ?? {};
      const options = (Options ?? []).map((pair) => pair.join('='));
      if (SizeBytes) options.push(`size=${SizeBytes}`);
      if (Mode) options.push(`mode=${Mode.toString(8)}`);
      if (request.ReadOnly) options.push('ro');
      return tmpfs(request.Target, options);
    });
}

const OPPOSITES: Record<string, string> = {
  exec: 'noexec',
  suid: 'nosuid',
  dev: 'nodev',
};

function tmpfs(destination: string, options: string[]): OciMount {
  const overridden = new Set(options.map((option) => OPPOSITES[option] ?? option));
  return {
    destination: posix.normalize(destination),
    type: 'tmpfs',
    source: 'tmpfs',
    options: [...TMPFS_DEFAULTS.filter((option) => !overridden.has(option)), ...options],
  };
}

function bind(source: string, destination: string, options: string[]): OciMount {
  return { destination, type: 'bind', source, options };
}

/**
 * A bind with what its source's mount forbids: crun mounts it anew with the flags that it is told and no others, so that a
 * read-only mount of the host would be writable in the container.
 */
export function keepRestrictions(mounts: Pick<Mounts, 'restrictionsAt'>, mount: OciMount): OciMount {
  if (mount.type !== 'bind') return mount;
  const kept = restrictionsOf(mounts, mount.source).filter(
    (option) => !mount.options.includes(option) && !(option === 'ro' && mount.options.includes('rro')),
  );
  return kept.length === 0 ? mount : { ...mount, options: [...mount.options, ...kept] };
}

function restrictionsOf(mounts: Pick<Mounts, 'restrictionsAt'>, source: string): string[] {
  try {
    return mounts.restrictionsAt(source);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []; // the runtime says so
    throw error;
  }
}

/** `/a` before `/a/b`. */
function depth(path: string): number {
  return path.split('/').filter(Boolean).length;
}

/** The root's propagation has to let through what the mounts below it want (mount_namespaces(7)). */
export function rootfsPropagation(mounts: ContainerMount[]): string | undefined {
  const wanted = mounts.map((mount) => mount.Propagation);
  if (wanted.some((value) => value.endsWith('shared'))) return 'shared';
  return wanted.some((value) => value.endsWith('slave')) ? 'rslave' : undefined;
}
