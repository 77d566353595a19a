// Removes everything of one instance from the host and nothing else: a directory only when it carries the instance's
// marker, a link only with the instance's alias, a rule only with its comment, cgroups and what has no mark of its own only
// when a directory or the nft table proves that the instance was here.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { groupDirectories, removeGroup, thawGroups } from '../host/cgroups.mjs';
import { endProcess, listProcesses, runningFromPidFiles, startTimeOf } from '../host/processes.mjs';
import { findProgram, output } from '../host/programs.mjs';
import { pidDirectory, runningSupervisors } from './lock.mjs';
import { StartError, ownerOf } from './names.mjs';
import { foreignGroupsOf, linksOf, monitorsOf, mountsBelow, profileOf } from './remains.mjs';

/**
 * @param {import('./names.mjs').InstanceNames} names
 * @param {{keepData?: boolean, say?: (line: string) => void}} [options]
 */
export async function cleanInstance(names, { keepData = false, say = () => {} } = {}) {
  const owned = [names.runDir, names.dataRoot].filter((directory) => ownerOf(directory) === names.name);
  for (const directory of [names.runDir, names.dataRoot]) {
    const owner = ownerOf(directory);
    if (owner !== undefined && owner !== names.name) {
      throw new StartError(`${directory} belongs to the instance ${owner}: nothing was removed`);
    }
  }
  await endSupervisor(names, say);
  const ownsName = owned.length > 0 || (await hasOwnTable(names.name));
  if (ownsName) {
    await endServices(names, say);
    await endMonitors(owned, say);
    await removeGroups(names.name, owned, say);
    await unmountAll(owned, say);
  }
  if (ownsName) removeProfile(names.name, say);
  await removeLinks(names.name, ownsName, say);
  if (ownsName) await removeTable(names.name, say);
  await removeForeignRules(names.name, say);
  for (const directory of owned) {
    if (keepData && directory === names.dataRoot) continue;
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
    say(`removed ${directory}`);
  }
}

// Before its services, for it would restart them. Known by its lock: somebody may have removed the run directory.
async function endSupervisor(names, say) {
  const found = (await runningSupervisors()).filter(({ name }) => name === names.name);
  const elsewhere = found.find(({ runDir }) => runDir !== names.runDir);
  if (elsewhere) {
    throw new StartError(
      `the instance ${names.name} runs with the run directory ${elsewhere.runDir}: nothing was removed`,
    );
  }
  for (const { pid } of found) {
    const startTime = startTimeOf(pid);
    if (startTime === undefined || pid === process.pid) continue;
    say(`stopping supervisor (process ${pid})`);
    await endProcess({ pid, startTime }, 'SIGTERM', 60_000);
  }
}

async function endServices(names, say) {
  const rank = ({ name }) => (name === 'postgres' || name === 'redis' ? 1 : 0);
  for (const order of [0, 1]) {
    const running = runningFromPidFiles(pidDirectory(names)).filter((found) => rank(found) === order);
    for (const { name, pid } of running) say(`stopping ${name} (process ${pid})`);
    await Promise.all(
      running.map((found) => endProcess(found, found.name === 'postgres' ? 'SIGINT' : 'SIGTERM', 30_000)),
    );
  }
}

async function endMonitors(directories, say) {
  const monitors = monitorsOf(listProcesses(), directories);
  for (const pid of monitors) {
    const startTime = startTimeOf(pid);
    if (startTime !== undefined) await endProcess({ pid, startTime }, 'SIGKILL', 0);
  }
  if (monitors.length > 0) say(`ended ${monitors.length} container monitors`);
}

async function removeGroups(name, owned, say) {
  const foreign = owned.flatMap((directory) => foreignGroupsOf(name, join(directory, 'containers')));
  const groups = [name, ...foreign].flatMap(groupDirectories);
  // In every hierarchy before the first is emptied: with cgroup v1 what is frozen in one does not die in any.
  groups.forEach(thawGroups);
  for (const group of groups) {
    const killed = await removeGroup(group);
    say(`removed the cgroup ${group}${killed > 0 ? ` and ended ${killed} processes in it` : ''}`);
  }
}

async function unmountAll(directories, say) {
  const mounted = () => mountsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), directories);
  const mountPoints = mounted();
  for (const mountPoint of mountPoints) {
    // Lazily: a process in another mount namespace may hold it, which must not stop the removal here. One that went
    // with its parent is no failure.
    await output('umount', ['--lazy', mountPoint]).catch(() => {});
  }
  const [left] = mounted();
  // Removing a directory with a mount in it would remove what is mounted.
  if (left !== undefined) throw new StartError(`cannot unmount ${left}: its directory was not removed`);
  if (mountPoints.length > 0) say(`unmounted ${mountPoints.length} mounts`);
}

function removeProfile(name, say) {
  const profile = profileOf(name);
  if (profile === undefined) return;
  writeFileSync('/sys/kernel/security/apparmor/.remove', profile);
  say(`removed the AppArmor profile ${profile}`);
}

async function removeLinks(name, ownsName, say) {
  const list = async () =>
    linksOf(name, JSON.parse(await output('ip', ['-details', '-json', 'link'])), ownsName);
  for (const link of await list()) {
    // The other end of a veth pair goes with the first.
    const gone = await output('ip', ['link', 'delete', link]).then(
      () => true,
      async (error) => {
        if ((await list()).includes(link)) throw error;
        return false;
      },
    );
    if (gone) say(`removed the link ${link}`);
  }
}

async function hasTable(name) {
  return (await output('nft', ['list', 'tables'])).split('\n').includes(`table inet ${name}`);
}

/** Whether there is a table of that name with the comment of this instance. */
async function hasOwnTable(name) {
  if (findProgram('nft') === undefined || !(await hasTable(name))) return false;
  return (await output('nft', ['list', 'table', 'inet', name])).includes(`\tcomment "gantry:${name}"\n`);
}

async function removeTable(name, say) {
  if (!(await hasTable(name))) return;
  await output('nft', ['delete', 'table', 'inet', name]);
  say(`removed the nft table inet ${name}`);
}

/** Those whose tables there are: to list them would make them. */
function legacyPrograms() {
  return ['ip', 'ip6'].flatMap((prefix) => {
    const names = `/proc/net/${prefix}_tables_names`;
    const hasFilter = existsSync(names) && readFileSync(names, 'utf8').split('\n').includes('filter');
    return hasFilter ? [`${prefix}tables-legacy`] : [];
  });
}

// Those in the chains of other programs, known by their comment.
async function removeForeignRules(name, say) {
  const programs = ['iptables', 'ip6tables', ...legacyPrograms()];
  for (const program of programs.filter(findProgram)) {
    const listed = (await output(program, ['-w', '5', '-S']).catch(() => '')).replaceAll('"', '').split('\n');
    const rules = listed.filter(
      (rule) => rule.startsWith('-A ') && rule.includes(` --comment gantry:${name} `),
    );
    for (const rule of rules) await output(program, ['-w', '5', '-D', ...rule.split(' ').slice(1)]);
    if (rules.length > 0) say(`removed ${rules.length} rules of ${program}`);
  }
}
