// Finding what an instance has put on the host.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Mount points in and below the directories, deepest first; several mounts on one point appear as often.
 * @param {string} mountInfo /proc/self/mountinfo (proc(5))
 * @param {string[]} directories
 * @returns {string[]}
 */
export function mountsBelow(mountInfo, directories) {
  return mountInfo
    .split('\n')
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter((mountPoint) => directories.some((directory) => isWithin(mountPoint, directory)))
    .reverse();
}

/**
 * @param {string} name of the instance
 * @param {{ifname: string, ifalias?: string, linkinfo?: {info_kind?: string}}[]} links `ip -details -json link`
 * @param {boolean} ownsName whether the instance is known to have been on this host, so that the bridge named after it is its
 * @returns {string[]}
 */
export function linksOf(name, links, ownsName) {
  return links
    .filter(
      ({ ifname, ifalias, linkinfo }) =>
        ifalias?.startsWith(`gantry:${name}:`) ||
        (ownsName && ifalias === undefined && ifname === `${name}0` && linkinfo?.info_kind === 'bridge'),
    )
    .map(({ ifname }) => ifname);
}

/**
 * The conmon processes whose bundle (`-b`) is in the data root or whose state is in the run directory.
 * @param {{pid: number, args: string[]}[]} processes
 * @param {string[]} directories
 * @returns {number[]}
 */
export function monitorsOf(processes, directories) {
  return processes
    .filter(({ args }) => {
      if (!/(^|\/)conmon$/.test(args[0] ?? '')) return false;
      const bundle = args[args.indexOf('-b') + 1];
      return directories.some((directory) => isWithin(bundle ?? '', directory));
    })
    .map(({ pid }) => pid);
}

/**
 * The cgroups of containers outside the instance's own (`--cgroup-parent`), as paths below a hierarchy's root.
 * @param {string} name of the instance
 * @param {string} containers the directory of the containers' records
 * @returns {string[]}
 */
export function foreignGroupsOf(name, containers) {
  if (!existsSync(containers)) return [];
  return readdirSync(containers).flatMap((id) => {
    const group = groupOf(join(containers, id, 'container.json'));
    return group && !group.startsWith(`/${name}/`) && !group.split('/').includes('..') ? [group] : [];
  });
}

function groupOf(record) {
  try {
    const group = JSON.parse(readFileSync(record, 'utf8')).process?.cgroup;
    // In a scope of systemd's the runtime has made a group of its own: all of the scope is the container's.
    const whole = typeof group === 'string' ? group.replace(/\.scope\/.*$/, '.scope') : '';
    return /^\/(.+\/)?([a-z0-9]+-)?[0-9a-f]{64}(\.scope)?$/.test(whole) ? whole : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The AppArmor profile of the instance's containers, where the kernel has it.
 * @param {string} name of the instance
 * @returns {string | undefined}
 */
export function profileOf(name) {
  const loaded = '/sys/kernel/security/apparmor/profiles';
  const profile = `${name}-default`;
  if (!existsSync(loaded)) return undefined;
  const lines = readFileSync(loaded, 'utf8').split('\n');
  return lines.some((line) => line.startsWith(`${profile} (`)) ? profile : undefined;
}

const isWithin = (path, directory) => path === directory || path.startsWith(`${directory}/`);

// The kernel writes space, tab, newline and backslash in a path as \ooo.
const unescapeOctal = (text) =>
  text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)));
