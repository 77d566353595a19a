import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** What of an instance is still on the host, a line each; none after `npm run clean`. */
export function remainsOf(name: string, directory: string): string[] {
  const links = JSON.parse(execFileSync('ip', ['-json', 'link'], { encoding: 'utf8' })) as {
    ifname: string;
    ifalias?: string;
  }[];
  const tables = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).split('\n');
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const groups = ['', ...readdirSync('/sys/fs/cgroup')].map(
    (hierarchy) => `/sys/fs/cgroup/${hierarchy}/${name}`,
  );
  return [
    ...links
      .filter(({ ifname, ifalias }) => ifname === `${name}0` || ifalias?.startsWith(`gantry:${name}:`))
      .map(({ ifname }) => `link ${ifname}`),
    ...tables.filter((table) => table === `table inet ${name}`),
    ...mounts.filter((line) => line.includes(` ${directory}/`)).map((line) => `mount ${line}`),
    ...groups.filter((group) => existsSync(group)).map((group) => `cgroup ${group}`),
    ...loadedProfiles()
      .filter((profile) => profile === `${name}-default`)
      .map((profile) => `AppArmor profile ${profile}`),
    ...processesWith(directory).map((line) => `process ${line}`),
  ];
}

function loadedProfiles(): string[] {
  const loaded = '/sys/kernel/security/apparmor/profiles';
  if (!existsSync(loaded)) return [];
  return readFileSync(loaded, 'utf8')
    .split('\n')
    .map((line) => line.slice(0, line.lastIndexOf(' (')));
}

function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return line.includes(`${text}/`) ? [`${pid} ${line}`] : [];
      } catch {
        return [];
      }
    });
}
