import {
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { internal, messageOf } from '@gantry/shared/errors';
import { LINUX, type BindOptions, type IdMapping, type Linux, type MountInfo } from '@gantry/shared/linux';
import type { ContainerMount, ContainerRecord } from '../records/container-record';
import { MonitorPaths } from '../runtime/monitor-paths';
import { bindMapped } from './mapped-bind';
import { UserRemapping } from './user-remapping';
import { openSubpath } from './volume-subpath';

/** Makes the sources of a container's mounts ready at its start: what the runtime finds there cannot change any more. */
@Injectable()
export class MountSources {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
    private readonly remapping: UserRemapping,
  ) {}

  /** The mounts with the sources that the runtime is to use. @throws Internal in dockerd's words. */
  prepare(record: ContainerRecord): ContainerMount[] {
    this.release(record.id);
    const remap = this.remapping.of(record);
    return record.mounts.map((mount, index) => {
      const mapping = mount.plain ? remap?.mapping : undefined;
      if (mount.Type !== 'bind' && !mount.subpath && !mapping) return mount;
      const place = join(this.pinned(record.id), `${index}`);
      const prepared =
        mount.Type === 'bind' ? this.prepareBind(mount, place) : this.pinVolume(mount, place, mapping);
      // Nothing can be mounted below a file, and crun fails where it is asked to look.
      return statSync(prepared.Source).isDirectory() ? prepared : { ...prepared, readonlyBelow: 'no' };
    });
  }

  /** After the container ended. */
  release(id: string): void {
    const directory = this.pinned(id);
    if (!existsSync(directory)) return;
    for (const name of readdirSync(directory)) {
      const place = join(directory, name);
      this.linux.mounts.detach(place);
      // Never a whole tree: what was mounted here is the user's.
      if (statSync(place).isDirectory()) rmdirSync(place);
      else unlinkSync(place);
    }
    rmdirSync(directory);
  }

  /** What an earlier life of this service has left. */
  releaseUnused(isUsed: (id: string) => boolean): void {
    const directory = dirname(this.pinned('any'));
    if (!existsSync(directory)) return;
    for (const id of readdirSync(directory)) if (!isUsed(id)) this.release(id);
  }

  /** In the run directory, which nobody ever deletes with all that is below. */
  private pinned(id: string): string {
    return join(this.paths.volatile, 'pinned-mounts', id);
  }

  private prepareBind(mount: ContainerMount, place: string): ContainerMount {
    makeSource(mount);
    const Propagation = this.possiblePropagation(mount);
    if (mount.recursive) return { ...mount, Propagation };
    // crun takes the mounts below along whatever it is told: so they are left behind here.
    const propagation = /shared|slave/.test(Propagation) ? undefined : 'private';
    this.pin(mount.Source, place, { recursive: false, propagation });
    return { ...mount, Propagation, Source: place };
  }

  /** @throws Internal where the source's mount cannot have what was asked for. */
  private possiblePropagation({ Source, Propagation, propagationByDefault }: ContainerMount): string {
    if (!/shared|slave/.test(Propagation)) return Propagation;
    const below = mountOf(this.linux.mounts.listMounts(), realpathSync(Source));
    const kinds = Propagation.includes('shared') ? ['shared:'] : ['shared:', 'master:'];
    if (below.propagation.some((tag) => kinds.some((kind) => tag.startsWith(kind)))) return Propagation;
    if (propagationByDefault) return 'rprivate';
    const needed = kinds.length === 1 ? 'shared' : 'shared or slave';
    throw internal(`path ${Source} is mounted on ${below.mountPoint} but it is not a ${needed} mount`);
  }

  /**
   * What the container gets of the volume, held by a bind mount of its own, with the container's owners: by its path another container that has the
   * volume could put a symlink in its place before the runtime gets there.
   */
  private pinVolume(mount: ContainerMount, place: string, mapping: IdMapping | undefined): ContainerMount {
    const opened = mount.subpath ? openSubpath(this.linux, mount) : undefined;
    const source = opened === undefined ? mount.Source : `/proc/self/fd/${opened}`;
    try {
      if (mapping) bindMapped(this.linux, source, this.makePlace(source, place), mapping);
      else this.pin(source, place, { recursive: true, propagation: 'private' });
    } finally {
      if (opened !== undefined) closeSync(opened);
    }
    return { ...mount, Source: place };
  }

  private pin(source: string, place: string, options: BindOptions): void {
    this.linux.mounts.bindMount(source, this.makePlace(source, place), options);
  }

  private makePlace(source: string, place: string): string {
    mkdirSync(dirname(place), { recursive: true, mode: 0o711 });
    if (statSync(source).isDirectory()) mkdirSync(place);
    else writeFileSync(place, '');
    return place;
  }
}

/** `-v` makes a directory of a source that does not exist, `--mount` wants it to be there. */
function makeSource({ Source, createSource }: ContainerMount): void {
  if (existsSync(Source)) return;
  if (!createSource) {
    throw internal(`error while mounting volume '${Source}': bind source path does not exist: ${Source}`);
  }
  try {
    mkdirSync(Source, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw internal(`error while creating mount source path '${Source}': ${messageOf(error)}`, error);
  }
}

/** The mount that `path` is on. */
function mountOf(mounts: MountInfo[], path: string): MountInfo {
  const holds = ({ mountPoint }: MountInfo) =>
    mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
  const [first, ...others] = mounts.filter(holds);
  if (!first) throw internal(`Could not find source mount of ${path}`);
  // Of two on one place the later one covers the earlier.
  return others.reduce(
    (longest, mount) => (mount.mountPoint.length >= longest.mountPoint.length ? mount : longest),
    first,
  );
}
