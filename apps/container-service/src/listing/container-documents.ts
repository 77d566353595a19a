import type { EndpointSettings, MountPoint } from '../records/api-documents';
import type { ContainerMount, ContainerRecord } from '../records/container-record';
import type { MonitorPaths } from '../runtime/monitor-paths';
import type { NetworkFiles } from '../lifecycle/container-files';
import { millisOf } from '../records/timestamps';
import { portList } from './port-list';
import { statusText } from './status-text';

export interface Sizes {
  SizeRw?: number;
  SizeRootFs?: number;
}

/** API: ContainerSummary. */
export function containerSummary(
  record: ContainerRecord,
  more: { imageName: string; linkNames: string[]; sizes: Sizes },
): object {
  return {
    Id: record.id,
    Names: [`/${record.name}`, ...more.linkNames].sort(),
    Image: more.imageName,
    ImageID: record.imageId,
    ImageManifestDescriptor: record.imageManifestDescriptor,
    Command: commandText([record.path, ...record.args]),
    Created: Math.floor(millisOf(record.created) / 1000),
    Ports: portList(record),
    // As dockerd, which leaves out what is empty.
    SizeRw: more.sizes.SizeRw || undefined,
    SizeRootFs: more.sizes.SizeRootFs || undefined,
    Labels: record.config.Labels,
    State: record.state.Status,
    Status: statusText(record.state),
    HostConfig: { NetworkMode: record.hostConfig.NetworkMode, Annotations: record.hostConfig.Annotations },
    Health: {
      Status: record.state.Health?.Status ?? 'none',
      FailingStreak: record.state.Health?.FailingStreak ?? 0,
    },
    NetworkSettings: { Networks: networksOf(record) },
    Mounts: mountPoints(record),
  };
}

/** API: ContainerInspectResponse. */
export function containerDocument(
  record: ContainerRecord,
  more: {
    paths: MonitorPaths;
    files: NetworkFiles;
    execIds: string[];
    links: string[] | null;
    sizes: Sizes;
  },
): object {
  const { paths, files } = more;
  return {
    Id: record.id,
    Created: record.created,
    Path: record.path,
    Args: record.args,
    State: record.state,
    Image: record.imageId,
    ResolvConfPath: files.resolvConf,
    HostnamePath: files.hostname,
    HostsPath: files.hosts,
    LogPath: record.hostConfig.LogConfig.Type === 'json-file' ? paths.jsonLog(record.id) : '',
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: 'overlay2',
    Platform: record.platform,
    ImageManifestDescriptor: record.imageManifestDescriptor,
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: record.appArmorProfile ?? '',
    ExecIDs: more.execIds.length > 0 ? more.execIds : null,
    HostConfig: { ...record.hostConfig, Links: more.links },
    GraphDriver: record.graphDriver ?? { Name: 'overlay2', Data: { MergedDir: record.rootfs } },
    ...more.sizes,
    Mounts: mountPoints(record),
    Config: record.config,
    NetworkSettings: {
      SandboxID: '',
      SandboxKey: '',
      Ports: {},
      ...record.networkSettings,
      Networks: networksOf(record),
    },
  };
}

/** API: EndpointSettings of a network that a container is not on at the moment. */
const UNCONNECTED: EndpointSettings = {
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: '',
  EndpointID: '',
  Gateway: '',
  IPAddress: '',
  MacAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
};

/** Clients read the address of a container that never ran and find an empty one, not none. */
function networksOf({ networkSettings }: ContainerRecord): Record<string, EndpointSettings> {
  const networks = Object.entries(networkSettings.Networks ?? {});
  return Object.fromEntries(networks.map(([name, settings]) => [name, { ...UNCONNECTED, ...settings }]));
}

/** With the tmpfs mounts of `--mount`, which the record keeps in the HostConfig only. */
function mountPoints(record: ContainerRecord): MountPoint[] {
  const tmpfs = (record.hostConfig.Mounts ?? [])
    .filter((mount) => mount.Type === 'tmpfs')
    .map((mount) => ({
      Type: 'tmpfs',
      Source: '',
      Destination: mount.Target,
      Mode: '',
      RW: !mount.ReadOnly,
      Propagation: '',
    }));
  return [...record.mounts.map(mountPoint), ...tmpfs];
}

function mountPoint(mount: ContainerMount): MountPoint {
  const { Type, Name, Source, Destination, Driver, Mode, RW, Propagation } = mount;
  if (Type === 'image') return { Type, Source: Name ?? '', Destination, Mode, RW, Propagation };
  return Type === 'volume'
    ? { Type, Name, Source, Destination, Driver, Mode, RW, Propagation }
    : { Type, Source, Destination, Mode, RW, Propagation };
}

/** As `docker ps` shows it: arguments with blanks in single quotes. */
function commandText(words: string[]): string {
  return words.map((word) => (/\s/.test(word) ? `'${word}'` : word)).join(' ');
}
