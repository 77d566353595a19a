import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Watched {
  instance: string;
  dataRoot: string;
  /** Of network-service. */
  pid: number;
}

export type HostNetwork = Record<
  'links' | 'addresses' | 'namespaces' | 'rules' | 'records' | 'sockets',
  string[]
>;

/** Everything of an instance's networks on the host, by what it is. */
export function hostNetwork({ instance, dataRoot, pid }: Watched): HostNetwork {
  const listed = <T>(what: string): T[] =>
    JSON.parse(
      // It complains about what changes meanwhile; whoever compares looks again.
      execFileSync('ip', ['-json', what], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    ) as T[];
  const own = listed<{ ifname: string; ifalias?: string }>('link').filter(({ ifalias }) =>
    ifalias?.startsWith(`gantry:${instance}:`),
  );
  const names = new Set(own.map(({ ifname }) => ifname));
  const addressed = listed<{ ifname: string; addr_info: { local: string; prefixlen: number }[] }>('addr');
  const pooled = (name: string): string => (name.startsWith('v') ? 'v' : name);
  const table = execFileSync('nft', ['list', 'table', 'inet', instance], { encoding: 'utf8' });
  const directory = join(dataRoot, 'network');
  return {
    // Which namespaces are in the pool changes all the time; how many of them there are does not.
    links: own.map(({ ifname }) => pooled(ifname)),
    addresses: addressed.flatMap(({ ifname, addr_info: found }) =>
      (names.has(ifname) ? found : [])
        .filter(({ local }) => !local.startsWith('fe80'))
        .map(({ local, prefixlen }) => `${pooled(ifname)} ${local}/${prefixlen}`),
    ),
    namespaces: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(` ${directory}/`))
      .map((line) => (line.includes('/pool/') ? 'pooled' : (line.split(' ')[4] ?? ''))),
    rules: table.split(/[\n,]/).map((line) => line.trim()),
    records: [directory, join(directory, 'networks')].flatMap((each) =>
      readdirSync(each).filter((name) => name.endsWith('.json')),
    ),
    sockets: readdirSync(`/proc/${pid}/fd`).map(() => 'descriptor'),
  };
}

/** What is there after, and was not before, a line each. Many of the same kind count one by one. */
export function leftOver(before: HostNetwork, after: HostNetwork): string[] {
  return (Object.keys(after) as (keyof HostNetwork)[]).flatMap((what) => {
    const known = [...before[what]];
    return after[what].flatMap((one) => {
      const position = known.indexOf(one);
      if (position < 0) return [`${what}: ${one}`];
      known.splice(position, 1);
      return [];
    });
  });
}
