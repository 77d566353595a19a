import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineClient } from './engine-client';

interface Audited {
  name: string;
  runDir: string;
  dataRoot: string;
}

interface Inspected {
  Id: string;
  State: { Status: string; Running: boolean; Restarting: boolean; Paused: boolean; Pid: number };
  HostConfig: { NetworkMode: string };
  GraphDriver: { Data: { MergedDir: string } };
  ExecIDs: string[] | null;
}

/**
 * Everything about containers in which the API, the kernel and the disk do not agree, and whatever of the instance is on the
 * host without a container that owns it; a line each, none where all is well. To be asked when nothing changes any more.
 */
export async function disagreements(instance: Audited, api: EngineClient): Promise<string[]> {
  const containers = await inspectAll(api);
  const running = containers.filter(({ State }) => State.Running && !State.Restarting);
  return [
    ...containers.flatMap((container) => stateProblems(instance, container)),
    ...directoryProblems(instance, containers),
    ...strangers('cgroup', groupsOf(instance.name), ids(running)),
    ...strangers('monitor', monitorsOf(instance), ids(running)),
    ...strangers('exec', execShellsOf(instance), new Set(running.flatMap(({ ExecIDs }) => ExecIDs ?? []))),
    ...mountProblems(instance, running),
  ];
}

async function inspectAll(api: EngineClient): Promise<Inspected[]> {
  const { body } = await api.get<{ Id: string }[]>('/containers/json?all=1');
  const answers = await Promise.all(body.map(({ Id }) => api.get<Inspected>(`/containers/${Id}/json`)));
  return answers.filter(({ status }) => status === 200).map((answer) => answer.body);
}

const ids = (containers: Inspected[]): Set<string> => new Set(containers.map(({ Id }) => Id));

/** What the API says of a container against its process and its cgroup. */
function stateProblems({ name }: Audited, { Id, State }: Inspected): string[] {
  const problem = (text: string) => `${Id.slice(0, 12)} (${State.Status}): ${text}`;
  if (State.Running && !State.Restarting) {
    if (!existsSync(`/proc/${State.Pid}`)) return [problem(`its process ${State.Pid} does not exist`)];
    const group = readFileSync(`/proc/${State.Pid}/cgroup`, 'utf8');
    const frozen = stateOfFreezer(group) === 'FROZEN';
    return [
      ...(group.includes(`/${name}/${Id}`) ? [] : [problem(`its process ${State.Pid} is another's`)]),
      ...(frozen === State.Paused ? [] : [problem(`frozen: ${frozen}, paused: ${State.Paused}`)]),
    ];
  }
  return State.Pid === 0 ? [] : [problem(`has the pid ${State.Pid}`)];
}

function stateOfFreezer(cgroups: string): string | undefined {
  const [, path] = /:freezer:(.*)/.exec(cgroups) ?? [];
  const v1 = `/sys/fs/cgroup/freezer${path}/freezer.state`;
  if (path !== undefined && existsSync(v1)) return readFileSync(v1, 'utf8').trim();
  const unified = `/sys/fs/cgroup${/^0::(.*)/m.exec(cgroups)?.[1]}/cgroup.events`;
  return existsSync(unified) && /^frozen 1$/m.test(readFileSync(unified, 'utf8')) ? 'FROZEN' : 'THAWED';
}

/** Directories and files named after containers. */
function directoryProblems({ runDir, dataRoot }: Audited, containers: Inspected[]): string[] {
  const all = ids(containers);
  const running = containers.filter(({ State }) => State.Running && !State.Restarting);
  const alive = ids(running);
  const networked = ids(
    running.filter(({ HostConfig }) => !/^(host|container:)/.test(HostConfig.NetworkMode)),
  );
  const below = (path: string) => namesIn(path).filter((entry) => !entry.startsWith('boot-id'));
  const kept = below(join(dataRoot, 'containers'));
  const namespaces = namesIn(join(dataRoot, 'network')).filter((entry) => /^[0-9a-f]{64}$/.test(entry));
  const runtime = join(runDir, 'containers');
  return [
    ...strangers('directory', kept, all),
    ...[...all].filter((id) => !kept.includes(id)).map((id) => `${id} has no directory`),
    ...strangers('namespace', namespaces, networked),
    ...[...networked].filter((id) => !namespaces.includes(id)).map((id) => `${id} has no namespace`),
    ...strangers('exit file', namesIn(join(runtime, 'exits')), alive),
    ...strangers('socket', namesIn(join(runtime, 'sockets')), alive),
    ...['crun', 'runc'].flatMap((name) =>
      strangers(`${name} state`, namesIn(join(runtime, 'runtimes', name)), alive),
    ),
    ...strangers('exec directory', filledIn(join(runtime, 'execs')), alive),
  ];
}

const filledIn = (directory: string): string[] =>
  namesIn(directory).filter((entry) => namesIn(join(directory, entry)).length > 0);
const namesIn = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory) : []);

/** Children of the instance's group in every hierarchy. */
function groupsOf(name: string): string[] {
  const roots = ['', ...readdirSync('/sys/fs/cgroup')].map((root) => join('/sys/fs/cgroup', root, name));
  return roots
    .filter((root) => existsSync(root))
    .flatMap((root) => readdirSync(root).filter((entry) => statSync(join(root, entry)).isDirectory()));
}

function monitorsOf({ dataRoot }: Audited): string[] {
  return commandLines().flatMap((args) =>
    /conmon$/.test(args[0] ?? '') && args.some((each) => each.startsWith(`${dataRoot}/`))
      ? [args[args.indexOf('-c') + 1] ?? '']
      : [],
  );
}

function execShellsOf({ runDir }: Audited): string[] {
  const exec = new RegExp(`^${runDir}/containers/execs/[0-9a-f]+/([0-9a-f]+)/`);
  return commandLines().flatMap((args) => {
    const id = args[0] === 'sh' ? exec.exec(args[3] ?? '')?.[1] : undefined;
    return id === undefined ? [] : [id];
  });
}

function commandLines(): string[][] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')];
      } catch {
        return [];
      }
    });
}

/** Each running container has its root mounted, and nothing of one that does not run is. */
function mountProblems({ dataRoot }: Audited, running: Inspected[]): string[] {
  const roots = new Set(running.map(({ GraphDriver }) => GraphDriver.Data.MergedDir));
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${dataRoot}/`));
  const overlays = points.filter((point) => point.startsWith(`${dataRoot}/overlay2/`));
  const alive = ids(running);
  const others = points.filter((point) => {
    const [, id] = new RegExp(`^${dataRoot}/(?:containers|network)/([0-9a-f]{64})`).exec(point) ?? [];
    return id !== undefined && !alive.has(id);
  });
  return [
    ...strangers('mount', overlays, roots),
    ...[...roots].filter((root) => !overlays.includes(root)).map((root) => `${root} is not mounted`),
    ...others.map((point) => `mount ${point} without an owner`),
  ];
}

function strangers(what: string, found: string[], owners: Set<string>): string[] {
  return [...new Set(found)]
    .filter((each) => !owners.has(each))
    .map((each) => `${what} ${each} without an owner`);
}
