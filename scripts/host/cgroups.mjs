// The host's cgroup layout: what is there, what crun needs besides, and removing an instance's groups.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { output } from './programs.mjs';

const ROOT = '/sys/fs/cgroup';
const NEEDED = ['cpu', 'cpuset', 'memory', 'pids'];

/**
 * @typedef {object} CgroupLayout
 * @property {'none' | 'v1' | 'hybrid' | 'v2'} version
 * @property {string[]} unified controllers of the v2 tree
 * @property {Set<string>} legacy controllers mounted as v1
 * @property {Set<string>} kernel controllers that the kernel has enabled
 * @property {{path: string, options: string[]} | undefined} unifiedMount where the v2 tree is mounted, and with which options
 */

/** @returns {CgroupLayout} */
export function readCgroupLayout() {
  return parseCgroupLayout({
    mountInfo: readFileSync('/proc/self/mountinfo', 'utf8'),
    procCgroups: existsSync('/proc/cgroups') ? readFileSync('/proc/cgroups', 'utf8') : '',
    controllersOf: (mountPoint) => readFileSync(join(mountPoint, 'cgroup.controllers'), 'utf8'),
  });
}

/**
 * @param {{mountInfo: string, procCgroups: string, controllersOf: (mountPoint: string) => string}} host
 * @returns {CgroupLayout}
 */
export function parseCgroupLayout({ mountInfo, procCgroups, controllersOf }) {
  const legacy = new Set();
  let unifiedMount;
  for (const line of mountInfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [type, , superOptions = ''] = after.split(' ');
    if (type === 'cgroup2') unifiedMount ??= { path: before.split(' ')[4], options: superOptions.split(',') };
    if (type === 'cgroup') for (const option of superOptions.split(',')) legacy.add(option);
  }
  const rows = procCgroups.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const kernel = new Set(
    rows.map((line) => line.split('\t')).flatMap(([name, , , enabled]) => (enabled === '1' ? [name] : [])),
  );
  const unified = unifiedMount ? controllersOf(unifiedMount.path).trim().split(' ').filter(Boolean) : [];
  for (const controller of unified) kernel.add(controller);
  const hasLegacy = [...kernel].some((controller) => legacy.has(controller));
  const version = hasLegacy ? (unifiedMount ? 'hybrid' : 'v1') : unifiedMount ? 'v2' : 'none';
  return { version, unified, legacy, kernel, unifiedMount };
}

/**
 * The controllers Gantry cannot do without that the host cannot offer.
 * @param {CgroupLayout} layout
 */
export function missingControllers({ version, unified, legacy, kernel }) {
  const offered = (controller) =>
    version === 'none' ? kernel.has(controller) : unified.includes(controller) || legacy.has(controller);
  return NEEDED.filter((controller) => !offered(controller));
}

/**
 * On a hybrid host crun refuses to work while the v2 tree still lists a controller; mounting it as v1, as Debian's
 * cgroupfs-mount does, takes it from there.
 * @param {CgroupLayout} layout
 */
export function unmountedControllers({ version, unified }) {
  return version === 'hybrid' ? unified : [];
}

const FAVOR_DYNMODS = 'favordynmods';

/**
 * Whether moving a process into a cgroup waits for an RCU grace period, some 12 ms at every start of a container. The mount option
 * that ends it is for the whole host and came with Linux 6.0; what it costs is a little of every fork and exit.
 * @param {CgroupLayout} layout
 * @param {string} release of the kernel, e.g. `6.1.0-18-amd64`
 */
export function migratesSlowly({ unifiedMount }, release) {
  return (
    unifiedMount !== undefined &&
    Number.parseInt(release, 10) >= 6 &&
    !unifiedMount.options.includes(FAVOR_DYNMODS)
  );
}

/** @returns {Promise<string>} what was done, one sentence */
export async function favorMigration() {
  const { unifiedMount } = readCgroupLayout();
  // A remount drops the options that are not named.
  const options = [
    'remount',
    ...unifiedMount.options.filter((option) => option !== 'rw' && option !== 'ro'),
    FAVOR_DYNMODS,
  ];
  try {
    await output('mount', ['-o', options.join(','), unifiedMount.path]);
    return `remounted ${unifiedMount.path} with ${FAVOR_DYNMODS}: containers start some 10 ms sooner`;
  } catch (error) {
    return `could not remount ${unifiedMount.path} with ${FAVOR_DYNMODS}, containers start some 10 ms later: ${error.stderr?.trim()}`;
  }
}

/**
 * Mounts what is missing.
 * @returns {Promise<string[]>} what was done, one sentence each
 */
export async function prepareCgroups() {
  const layout = readCgroupLayout();
  if (layout.version === 'none') {
    await output('mount', ['-t', 'cgroup2', 'cgroup2', ROOT]);
    return [`mounted cgroup2 at ${ROOT}`];
  }
  const done = [];
  for (const controller of unmountedControllers(layout)) {
    const mountPoint = join(ROOT, controller);
    mkdirSync(mountPoint, { recursive: true });
    try {
      await output('mount', ['-t', 'cgroup', '-o', controller, 'cgroup', mountPoint]);
      done.push(
        `mounted the cgroup v1 controller ${controller} at ${mountPoint} (crun needs it on a hybrid host)`,
      );
    } catch (error) {
      done.push(
        `could not mount the cgroup v1 controller ${controller}, runc will be used: ${error.stderr?.trim()}`,
      );
    }
  }
  return done;
}

/**
 * The directories of one group in every hierarchy of the host.
 * @param {string} name e.g. `gantry` for /gantry
 * @returns {string[]}
 */
export function groupDirectories(name) {
  if (!existsSync(ROOT)) return [];
  const hierarchies = [ROOT, ...readdirSync(ROOT).map((entry) => join(ROOT, entry))];
  return hierarchies
    .map((hierarchy) => join(hierarchy, name))
    .filter((group) => existsSync(join(group, 'cgroup.procs')));
}

/**
 * Lets the processes of a group and of those below it run again: one that is frozen takes no signal.
 * @param {string} group its directory
 */
export function thawGroups(group) {
  withChildren(group).forEach(thaw);
}

/**
 * Ends every process below a group and removes the group. Waits at most 10 s for the processes.
 * @param {string} group its directory
 * @returns {Promise<number>} how many processes were killed
 */
export async function removeGroup(group) {
  const groups = withChildren(group);
  const killed = new Set();
  const deadline = Date.now() + 10_000;
  for (;;) {
    const pids = groups.flatMap(processesOf);
    if (pids.length === 0) break;
    if (Date.now() > deadline) throw new Error(`processes ${pids.join(', ')} in ${group} do not end`);
    for (const pid of pids) {
      killed.add(pid);
      kill(pid);
    }
    await sleep(10);
  }
  for (const directory of groups.reverse()) await removeDirectory(directory, deadline);
  return killed.size;
}

// A group whose last process has just been reaped is busy for some milliseconds more.
async function removeDirectory(directory, deadline) {
  for (;;) {
    try {
      return rmdirSync(directory);
    } catch (error) {
      if (error.code === 'ENOENT') return;
      if (error.code !== 'EBUSY' || Date.now() > deadline) throw error;
      await sleep(10);
    }
  }
}

function withChildren(group) {
  if (!existsSync(group)) return [];
  const children = readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [group, ...children.flatMap((entry) => withChildren(join(group, entry.name)))];
}

function processesOf(group) {
  try {
    return readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENODEV') return [];
    throw error;
  }
}

function thaw(group) {
  for (const [file, value] of [
    ['freezer.state', 'THAWED'],
    ['cgroup.freeze', '0'],
  ]) {
    if (existsSync(join(group, file))) writeFileSync(join(group, file), value);
  }
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
