import { closeSync, constants, mkdirSync, openSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { hasCode, LINUX, rootOf, type IdMapping, type Linux } from '@gantry/shared/linux';
import { isKind } from '@gantry/shared/errors';
import { makeWorkingDirectory } from '../spec/working-directory';
import { ContainerCleaner } from '../lifecycle/container-cleaner';
import { ContainerFiles } from '../lifecycle/container-files';
import { ContainerLocks } from '../lifecycle/container-locks';
import { ImageMounts } from '../lifecycle/image-mounts';
import { bindMapped } from '../lifecycle/mapped-bind';
import { UserRemapping } from '../lifecycle/user-remapping';
import { VolumeMounts } from '../lifecycle/volume-mounts';
import { openSubpath } from '../lifecycle/volume-subpath';
import type { ContainerMount, ContainerRecord } from '../records/container-record';
import { MonitorPaths } from '../runtime/monitor-paths';
import { ServicePeers } from '../service-peers';

const O_PATH = 0o10000000;
const { O_DIRECTORY, O_CREAT, O_WRONLY } = constants;

/** A container's files. Whatever is below `root` may be hostile: go through `linux.paths` and `linux.files` only. */
export interface ContainerView {
  /** O_PATH descriptor. */
  root: number;
  /** The same as a path, for lookups that need one. */
  path: string;
  /** Whose the files are on the host; undefined: the ids are those that the container sees. */
  mapping?: IdMapping;
}

type ViewedMount = Pick<ContainerMount, 'Source' | 'Destination' | 'RW' | 'recursive' | 'subpath' | 'plain'>;

/**
 * The files of containers as their processes see them, with volumes and binds: of a running one through its own mount
 * namespace, of a stopped one mounted for the time being.
 */
@Injectable()
export class ContainerViews implements OnModuleInit {
  private readonly mounted = new Map<string, number>();
  private count = 0;

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
    private readonly peers: ServicePeers,
    private readonly locks: ContainerLocks,
    private readonly cleaner: ContainerCleaner,
    private readonly images: ImageMounts,
    private readonly files: ContainerFiles,
    private readonly volumes: VolumeMounts,
    private readonly remapping: UserRemapping,
  ) {}

  /** What an earlier run of this service was in the middle of. */
  onModuleInit(): void {
    for (const name of namesIn(this.directory)) this.takeAway(join(this.directory, name));
  }

  /** `withMounts` false: only the container's own file system. */
  async use<T>(
    record: ContainerRecord,
    withMounts: boolean,
    action: (view: ContainerView) => Promise<T>,
  ): Promise<T> {
    if (record.state.Pid > 0) {
      const path = withMounts ? `/proc/${record.state.Pid}/root` : record.rootfs;
      const running = this.openRunning(record, path);
      // By the descriptor: the pid in the path may be another process's by now.
      const view = { path: `/proc/self/fd/${running}`, mapping: record.process?.idMapping };
      if (running !== undefined) return this.closing({ root: running, ...view }, action);
    }
    const rootfs = await this.locks.hold(record.id, () => this.mount(record));
    try {
      this.makeWorkingDirectory(record, rootfs);
      const path = withMounts ? this.assemble(record, rootfs) : rootfs;
      try {
        const root = openSync(path, O_PATH | O_DIRECTORY);
        return await this.closing({ root, path, mapping: this.remapping.of(record)?.mapping }, action);
      } finally {
        if (path !== rootfs) this.takeAway(path);
      }
    } finally {
      await this.locks.hold(record.id, () => this.unmount(record));
    }
  }

  /** Files are copied into the working directory before a first start, which makes it. */
  private makeWorkingDirectory(record: ContainerRecord, rootfs: string): void {
    if (record.state.Status !== 'created') return;
    const mapping = this.remapping.of(record)?.mapping;
    try {
      makeWorkingDirectory(this.linux, rootfs, record.config.WorkingDir, mapping);
    } catch (error) {
      if (!isKind(error, 'InvalidArgument')) throw error; // the start says so
    }
  }

  private get directory(): string {
    return join(this.paths.volatile, 'views');
  }

  /** undefined when it ended meanwhile. The descriptor cannot be that of a recycled pid: that is looked at after opening. */
  private openRunning(record: ContainerRecord, path: string): number | undefined {
    try {
      const root = openSync(path, O_PATH | O_DIRECTORY);
      const { process } = record;
      if (process && this.linux.processes.isAlive(process.pid, process.startTime)) return root;
      closeSync(root);
      return undefined;
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined;
      throw error;
    }
  }

  private async closing<T>(view: ContainerView, action: (view: ContainerView) => Promise<T>): Promise<T> {
    try {
      return await action(view);
    } finally {
      closeSync(view.root);
    }
  }

  private async mount(record: ContainerRecord): Promise<string> {
    await this.cleaner.finished(record.id);
    const remapped = this.remapping.of(record) !== undefined;
    const { rootfs } = await this.peers.snapshots.mount({ containerId: record.id, remapped });
    await this.images.mount(record);
    await this.volumes.mountToLook(record);
    this.mounted.set(record.id, (this.mounted.get(record.id) ?? 0) + 1);
    return rootfs;
  }

  private async unmount(record: ContainerRecord): Promise<void> {
    const left = (this.mounted.get(record.id) ?? 1) - 1;
    if (left > 0) return void this.mounted.set(record.id, left);
    this.mounted.delete(record.id);
    // Started meanwhile: the mounts are its own now.
    if (record.state.Running || record.removal) return;
    await this.peers.snapshots.unmount({ containerId: record.id });
    await this.images.unmount(record);
    await this.volumes.unmount(record);
  }

  /** The root file system with the mounts of the container over it, in a place of its own. */
  private assemble(record: ContainerRecord, rootfs: string): string {
    const path = join(this.directory, `${record.id}-${this.count++}`);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    try {
      this.linux.mounts.bindMount(rootfs, path, { propagation: 'private' });
      const mounts = [...record.mounts, ...this.networkFiles(record)];
      const byDepth = mounts.sort((a, b) => a.Destination.length - b.Destination.length);
      const mapping = this.remapping.of(record)?.mapping;
      for (const mount of byDepth) this.addMount(path, mount, mapping);
      return path;
    } catch (error) {
      this.takeAway(path);
      throw error;
    }
  }

  /** What its processes find in /etc: of a container that never ran there is none. */
  private networkFiles(record: ContainerRecord): ViewedMount[] {
    const { hosts, hostname, resolvConf } = this.files.networkFiles(record);
    const all = { '/etc/hosts': hosts, '/etc/hostname': hostname, '/etc/resolv.conf': resolvConf };
    return Object.entries(all)
      .filter(([destination]) => record.mounts.every((mount) => mount.Destination !== destination))
      .map(([Destination, Source]) => ({ Destination, Source, RW: true, recursive: false }));
  }

  private addMount(root: string, mount: ViewedMount, mapping: IdMapping | undefined): void {
    const opened = mount.subpath ? openSubpath(this.linux, mount) : undefined;
    const source = opened === undefined ? mount.Source : `/proc/self/fd/${opened}`;
    try {
      const isDirectory = statSync(source, { throwIfNoEntry: false })?.isDirectory();
      if (isDirectory === undefined) return; // a bind whose source is made at start
      const make = (): number => this.mountPoint(root, mount.Destination, isDirectory);
      const point = mapping ? this.linux.credentials.as(rootOf(mapping), make) : make();
      try {
        const target = `/proc/self/fd/${point}`;
        if (mapping && mount.plain) bindMapped(this.linux, source, target, mapping, { readonly: !mount.RW });
        // Whatever a container that shares a volume leads the archive to: what is read-only stays so.
        else this.linux.mounts.bindMount(source, target, { recursive: mount.recursive, readonly: !mount.RW });
      } finally {
        closeSync(point);
      }
    } finally {
      if (opened !== undefined) closeSync(opened);
    }
  }

  /** Made where it is missing, as the runtime would at start. */
  private mountPoint(root: string, destination: string, isDirectory: boolean): number {
    const { paths } = this.linux;
    if (isDirectory) return paths.mkdirAllInRoot(root, destination);
    try {
      return paths.openInRoot(root, destination, O_PATH);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
    closeSync(paths.mkdirAllInRoot(root, posix.dirname(destination)));
    return paths.openInRoot(root, destination, O_CREAT | O_WRONLY, 0o644);
  }

  private takeAway(path: string): void {
    this.linux.mounts.detach(path);
    rmdirSync(path);
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
