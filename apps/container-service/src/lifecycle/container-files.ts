import { createHash } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { AttachSandboxResponse, HostsEntry } from '@gantry/proto/network';
import { type DnsDefaults, dnsDefaults, withDnsDefaults } from '@gantry/shared/config';
import { internal } from '@gantry/shared/errors';
import { LINUX, MountFlag, rootOf, type Linux, type Owner } from '@gantry/shared/linux';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { MonitorPaths } from '../runtime/monitor-paths';
import { UserRemapping } from './user-remapping';

export interface NetworkFiles {
  hosts: string;
  resolvConf: string;
  hostname: string;
}

const LOCAL_HOSTS = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

/** The files and directories of the host that get mounted into a container. */
@Injectable()
export class ContainerFiles {
  private readonly dns = dnsDefaults();

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
    private readonly store: ContainerStore,
    private readonly remapping: UserRemapping,
  ) {}

  /** /etc/hosts, /etc/resolv.conf and /etc/hostname; a container in another's network has the other's. */
  writeNetworkFiles(record: ContainerRecord, network: AttachSandboxResponse | undefined): NetworkFiles {
    const files = this.networkFiles(record);
    const { config, hostConfig } = record;
    if (hostConfig.NetworkMode.startsWith('container:')) return files;
    writeFileSync(files.hostname, `${config.Hostname}\n`);
    this.fill(record, files, network);
    const root = this.rootOf(record);
    if (root) for (const path of Object.values(files)) chownSync(path, root.uid, root.gid);
    return files;
  }

  private fill(
    record: ContainerRecord,
    files: NetworkFiles,
    network: AttachSandboxResponse | undefined,
  ): void {
    if (network && network.netnsPath !== '') {
      writeFileSync(files.hosts, [...LOCAL_HOSTS, ...network.hosts.map(hostsLine), ''].join('\n'));
      writeFileSync(files.resolvConf, network.resolvConf);
      writeFileSync(this.paths.resolvConfHash(record.id), hashOf(network.resolvConf));
    } else {
      writeFileSync(files.hosts, hostHosts(network?.hosts ?? []));
      writeFileSync(files.resolvConf, hostResolvConf(record, this.dns));
    }
  }

  /** Who owns what is mounted into the container; undefined: root of the host. */
  private rootOf(record: ContainerRecord): Owner | undefined {
    const remap = this.remapping.of(record);
    return remap && rootOf(remap.mapping);
  }

  /**
   * Brings /etc/hosts and /etc/resolv.conf of a running container up to date after a connect or disconnect. What the
   * container itself has written into them stays: of hosts only the lines of `gone` addresses and the new ones change, and
   * a resolv.conf that is not ours any more is left alone.
   */
  updateNetworkFiles(record: ContainerRecord, network: AttachSandboxResponse, gone: readonly string[]): void {
    const files = this.networkFiles(record);
    updateInPlace(files.hosts, (text) => {
      const kept = text
        .split('\n')
        .filter((line) => line !== '' && !gone.includes(line.split(/\s/)[0] ?? ''));
      const added = network.hosts.map(hostsLine).filter((line) => !kept.includes(line));
      return [...kept, ...added, ''].join('\n');
    });
    const hash = this.paths.resolvConfHash(record.id);
    updateInPlace(files.resolvConf, (text) => {
      if (!existsSync(hash) || readFileSync(hash, 'utf8') !== hashOf(text)) return text;
      writeFileSync(hash, hashOf(network.resolvConf));
      return network.resolvConf;
    });
  }

  /** The container whose network it is in the end. */
  private networkOwner({ id, hostConfig: { NetworkMode } }: ContainerRecord): string {
    if (!NetworkMode.startsWith('container:')) return id;
    const donor = this.store.get(NetworkMode.slice('container:'.length));
    return donor ? this.networkOwner(donor) : id;
  }

  networkFiles(record: ContainerRecord): NetworkFiles {
    const owner = this.networkOwner(record);
    return {
      hosts: this.paths.hosts(owner),
      resolvConf: this.paths.resolvConf(owner),
      hostname: this.paths.hostname(owner),
    };
  }

  /** The host directory for /dev/shm, mounted; undefined where the container has a tmpfs of its own. */
  prepareShm(record: ContainerRecord): string | undefined {
    const { IpcMode, ShmSize } = record.hostConfig;
    if (IpcMode === 'host') return '/dev/shm';
    if (IpcMode.startsWith('container:')) {
      const donor = this.store.resolve(IpcMode.slice('container:'.length));
      if (donor.hostConfig.IpcMode === 'host') return '/dev/shm';
      if (donor.hostConfig.IpcMode !== 'shareable') {
        throw internal(
          `cannot join IPC of a container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
        );
      }
      return this.shm(donor.id);
    }
    if (IpcMode !== 'shareable') return undefined;
    const directory = this.shm(record.id);
    mkdirSync(directory, { recursive: true });
    if (!this.linux.mounts.isMountPoint(directory)) {
      const root = this.rootOf(record);
      const owner = root ? `,uid=${root.uid},gid=${root.gid}` : '';
      const flags = MountFlag.NOEXEC | MountFlag.NOSUID | MountFlag.NODEV;
      this.linux.mounts.mount('shm', directory, 'tmpfs', flags, `mode=1777,size=${ShmSize}${owner}`);
    }
    return directory;
  }

  /** After the container ended; `bundle` where its directory has another name by now. */
  releaseShm(record: ContainerRecord, bundle = this.paths.bundle(record.id)): void {
    if (record.hostConfig.IpcMode === 'shareable') this.linux.mounts.detach(join(bundle, 'shm'));
  }

  private shm(id: string): string {
    return join(this.paths.bundle(id), 'shm');
  }
}

const hostsLine = ({ ip, names }: HostsEntry): string => `${ip}\t${names.join(' ')}`;

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The file is mounted into the container: it has to stay the same one, and a reader shall not find it empty. */
function updateInPlace(path: string, change: (text: string) => string): void {
  const file = openSync(path, 'r+');
  try {
    const before = readFileSync(file, 'utf8');
    const after = change(before);
    if (after === before) return;
    ftruncateSync(file, writeSync(file, after, 0));
  } finally {
    closeSync(file);
  }
}

/** The host's own, or with extra hosts, as in dockerd, only those. */
function hostHosts(extra: HostsEntry[]): string {
  if (extra.length === 0 && existsSync('/etc/hosts')) return readFileSync('/etc/hosts', 'utf8');
  return [...LOCAL_HOSTS, ...extra.map(hostsLine), ''].join('\n');
}

function hostResolvConf({ hostConfig }: ContainerRecord, defaults: DnsDefaults): string {
  const { Dns, DnsSearch, DnsOptions } = hostConfig;
  const own = { servers: Dns ?? [], search: DnsSearch ?? [], options: DnsOptions ?? [] };
  const { servers, search, options } = withDnsDefaults(own, defaults);
  const lines = existsSync('/etc/resolv.conf') ? readFileSync('/etc/resolv.conf', 'utf8').split('\n') : [];
  const replaced = (keyword: string, values: string[][]): void => {
    if (values.length === 0) return;
    const kept = lines.filter((line) => !line.startsWith(`${keyword} `));
    lines.splice(0, lines.length, ...kept, ...values.map((value) => `${keyword} ${value.join(' ')}`));
  };
  replaced(
    'nameserver',
    servers.map((server) => [server]),
  );
  replaced('search', search.length > 0 ? [search] : []);
  replaced('options', options.length > 0 ? [options] : []);
  return `${lines.join('\n').trim()}\n`;
}
