// What Gantry needs of a host, each with the way to tell whether it is there and the Debian package that brings it.
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { migratesSlowly, missingControllers, readCgroupLayout, unmountedControllers } from './cgroups.mjs';
import { overlayProblem } from './overlay-probe.mjs';
import { findLibrary, findPostgres, findProgram } from './programs.mjs';
import { remapAccount } from './remap-account.mjs';

/**
 * @typedef {object} Finding
 * @property {string} name
 * @property {'ok' | 'install' | 'prepare' | 'missing' | 'optional'} state `install`: apt can bring it; `prepare`: `npm start`
 *   sets it; `missing`: only the user can help; `optional`: absent, and Gantry runs without it
 * @property {string} detail
 * @property {string} [package] the Debian package, for `install`
 */

const OVERLAYFS_MAGIC = 0x794c7630;

/**
 * @param {import('../instance/names.mjs').InstanceNames} names
 * @param {{forTests?: boolean}} [options]
 * @returns {Finding[]}
 */
export function inspectHost(names, { forTests = false } = {}) {
  const apt = findProgram('apt-get') !== undefined && process.getuid?.() === 0;
  const fromApt = (name, found, packageName, withoutIt) => {
    if (found !== undefined) return { name, state: 'ok', detail: found };
    if (apt) return { name, state: 'install', detail: `Debian package ${packageName}`, package: packageName };
    return withoutIt === undefined
      ? { name, state: 'missing', detail: `not found: install ${packageName}` }
      : { name, state: 'optional', detail: `${withoutIt} (Debian package ${packageName})` };
  };
  const crun = findProgram('crun');
  return [
    node(),
    root(),
    overlayfs(names.dataRoot),
    cgroups(),
    cgroupMoves(),
    forwarding(),
    ...remapAccount(),
    fromApt('crun', crun, 'crun', findProgram('runc') && 'not found: runc is used instead, which is slower'),
    fromApt('runc', findProgram('runc'), 'runc', crun && 'not found: nothing to fall back on if crun fails'),
    fromApt('conmon', findProgram('conmon'), 'conmon'),
    fromApt('ip', findProgram('ip'), 'iproute2'),
    fromApt('nft', findProgram('nft'), 'nftables'),
    fromApt('libnftables', findLibrary('libnftables.so.1'), 'libnftables1'),
    fromApt('libseccomp', findLibrary('libseccomp.so.2'), 'libseccomp2'),
    fromApt(
      'init',
      ['docker-init', 'catatonit', 'tini'].map(findProgram).find(Boolean),
      'tini',
      'not found: no --init',
    ),
    ...appArmorParser(fromApt),
    fromApt('igzip', findProgram('igzip'), 'isal', 'not found: gzip is inflated by zlib, which is slower'),
    fromApt('ps', findProgram('ps'), 'procps', 'not found: no docker top'),
    names.privatePostgres
      ? fromApt('postgresql', findPostgres(), 'postgresql')
      : { name: 'postgresql', state: 'ok', detail: 'DATABASE_URL' },
    names.privateRedis
      ? fromApt('redis', findProgram('redis-server'), 'redis-server')
      : { name: 'redis', state: 'ok', detail: 'REDIS_URL' },
    ...(forTests ? testPrograms(fromApt) : []),
  ];
}

function testPrograms(fromApt) {
  // The docker CLI is a package of its own from Debian 13 on.
  const cli = debianMajor() >= 13 ? 'docker-cli' : 'docker.io';
  return [
    fromApt('busybox', staticBusybox(), 'busybox-static'),
    fromApt('docker CLI', findProgram('docker'), cli),
    fromApt('openssl', findProgram('openssl'), 'openssl'),
    fromApt('curl', findProgram('curl'), 'curl'),
    fromApt('git', findProgram('git'), 'git'),
    fromApt('docker-registry', findProgram('docker-registry'), 'docker-registry'),
    fromApt('skopeo', findProgram('skopeo'), 'skopeo'),
    fromApt('zstd', findProgram('zstd'), 'zstd'),
    fromApt(
      'mkfs.btrfs',
      findProgram('mkfs.btrfs'),
      'btrfs-progs',
      'not found: clones that share blocks are not tested',
    ),
  ];
}

// Debian's `busybox` and `busybox-static` exclude each other and put the program at the same place; only a static one
// runs in an image made of itself. A dynamic ELF names its interpreter.
function staticBusybox() {
  const busybox = findProgram('busybox');
  return busybox !== undefined && !readFileSync(busybox).includes('/ld-linux') ? busybox : undefined;
}

function debianMajor() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^ID=debian$/m.test(release) ? Number(/^VERSION_ID="(\d+)/m.exec(release)?.[1] ?? 13) : 13;
}

function node() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const recent = major > 20 || (major === 20 && minor >= 19);
  return {
    name: 'node',
    state: recent ? 'ok' : 'missing',
    detail: recent ? process.version : `Node 20.19 or newer is needed, this is ${process.version}`,
  };
}

function root() {
  const isRoot = process.getuid?.() === 0;
  return { name: 'root', state: isRoot ? 'ok' : 'missing', detail: isRoot ? 'yes' : 'run as root' };
}

function overlayfs(dataRoot) {
  const name = 'overlayfs';
  if (!readFileSync('/proc/filesystems', 'utf8').split(/\s+/).includes('overlay')) {
    const module = `/lib/modules/${readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim()}/kernel/fs/overlayfs`;
    return existsSync(module)
      ? { name, state: 'prepare', detail: 'modprobe overlay' }
      : { name, state: 'missing', detail: 'the kernel has no overlay file system' };
  }
  let existing = dataRoot;
  while (!existsSync(existing)) existing = dirname(existing);
  const elsewhere = 'set GANTRY_DATA_ROOT to another disk';
  if (statfsSync(existing).type === OVERLAYFS_MAGIC)
    return { name, state: 'missing', detail: `${dataRoot} is itself on overlayfs: ${elsewhere}` };
  const problem = process.getuid?.() === 0 ? overlayProblem(existing) : undefined;
  return problem === undefined
    ? { name, state: 'ok', detail: `in the kernel, data root ${dataRoot}` }
    : { name, state: 'missing', detail: `${problem}: ${elsewhere}` };
}

/** Where the kernel confines by AppArmor, containers get a profile. */
function appArmorParser(fromApt) {
  const enabled = '/sys/module/apparmor/parameters/enabled';
  // Not there in most containers, where nothing could be loaded.
  if (!existsSync('/sys/kernel/security/apparmor')) return [];
  if (!existsSync(enabled) || !readFileSync(enabled, 'utf8').startsWith('Y')) return [];
  const parser = findProgram('apparmor_parser');
  return [fromApt('AppArmor', parser, 'apparmor', 'no apparmor_parser: containers have no AppArmor profile')];
}

function cgroupMoves() {
  const name = 'cgroup moves';
  const release = readFileSync('/proc/sys/kernel/osrelease', 'utf8');
  if (!migratesSlowly(readCgroupLayout(), release))
    return { name, state: 'ok', detail: 'as fast as this kernel has them' };
  return process.env.GANTRY_FAVORDYNMODS === '0'
    ? { name, state: 'optional', detail: 'slow: GANTRY_FAVORDYNMODS=0' }
    : { name, state: 'prepare', detail: 'remount cgroup2 with favordynmods' };
}

function cgroups() {
  const name = 'cgroups';
  const layout = readCgroupLayout();
  const missing = missingControllers(layout);
  if (missing.length > 0) {
    return { name, state: 'missing', detail: `no cgroup controller for ${missing.join(', ')}` };
  }
  if (layout.version === 'none') return { name, state: 'prepare', detail: 'mount cgroup2 at /sys/fs/cgroup' };
  const unmounted = unmountedControllers(layout);
  return unmounted.length > 0
    ? { name, state: 'prepare', detail: `mount the v1 controller ${unmounted.join(', ')} (crun needs it)` }
    : { name, state: 'ok', detail: layout.version };
}

function forwarding() {
  const on = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1';
  return {
    name: 'ip_forward',
    state: on ? 'ok' : 'prepare',
    detail: on ? 'on' : 'set net.ipv4.ip_forward=1',
  };
}
