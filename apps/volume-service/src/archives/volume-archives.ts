import { createHash } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { maybeDecompressed, TreePacker, zstdCompressed } from '@gantry/shared/archives';
import { conflict, invalidArgument, notImplemented } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { TarReader } from '@gantry/shared/tar';
import { LocalDriver } from '../local-driver/local-driver';
import { fingerprintTree, type TreeFingerprint } from '../snapshots/tree-fingerprint';
import { VolumeSnapshots } from '../snapshots/volume-snapshots';
import type { Volume } from '../volumes/volume';
import { VolumeCatalogue, type NewVolume } from '../volumes/volume-catalogue';
import { VolumeDisk } from '../volumes/volume-disk';
import { VolumeUnpacker } from './volume-unpacker';

export interface Archive extends Pick<TreeFingerprint, 'bytes' | 'entries'> {
  content: AsyncGenerator<Buffer>;
}

export interface Import {
  name: string;
  /** sha256:<hex>; empty: any. */
  digest: string;
  content: AsyncIterable<Buffer>;
}

export interface Imported {
  digest: string;
  entries: number;
}

const { O_DIRECTORY, O_RDONLY } = constants;
/** Who mounts a volume for it, where its plugin wants to know. */
const PURPOSE = 'gantry-archive';

/** Backup, restore and clones of volumes. */
@Injectable()
export class VolumeArchives {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly volumes: VolumeCatalogue,
    private readonly disk: VolumeDisk,
    private readonly local: LocalDriver,
    private readonly snapshots: VolumeSnapshots,
  ) {}

  /**
   * Calls `send` with a tar of what was in the volume at one moment: straight from the volume while nobody has it, else
   * from a copy. @throws NotFound, Conflict where it is being written to.
   */
  async export(name: string, zstd: boolean, send: (archive: Archive) => Promise<void>): Promise<void> {
    if (this.snapshots.users(name).length === 0) {
      return this.snapshots.withDirectory(name, PURPOSE, (directory) =>
        this.pack(name, directory, zstd, send),
      );
    }
    const staged = this.disk.stage(name);
    try {
      const target = join(staged, '_data');
      await this.snapshots.copy(name, PURPOSE, target);
      const directory = openSync(target, O_RDONLY | O_DIRECTORY);
      try {
        await this.pack(name, directory, zstd, send);
      } finally {
        closeSync(directory);
      }
    } finally {
      this.disk.discard(staged);
    }
  }

  /** All or nothing: until the end the volume is as it was. @throws Conflict while a running container has it, InvalidArgument */
  async import(wanted: Import): Promise<Imported> {
    const { name } = wanted;
    const existing = this.volumes.find(name);
    if (!existing) return this.importNew(wanted);
    this.checkReplaceable(existing);
    const staged = this.disk.stage(name);
    try {
      await this.local.create(existing.record, staged);
      const imported = await this.unpack(wanted, staged);
      await this.volumes.exclusively(name, () => {
        this.checkReplaceable(this.volumes.get(name));
        this.disk.exchange(name, staged);
      });
      return imported;
    } finally {
      this.disk.discard(staged);
    }
  }

  /** A new volume with what is in another one. @throws NotFound, Conflict */
  async clone(source: string, wanted: NewVolume): Promise<Volume> {
    this.volumes.get(source);
    if (wanted.name === source) throw conflict(`a volume cannot be a clone of itself: ${source}`);
    const { volume, created } = await this.volumes.create(wanted, (directory) =>
      this.snapshots.copy(source, `${PURPOSE}-${wanted.name}`, join(directory, '_data')),
    );
    if (!created) throw conflict(`a volume named ${volume.record.name} exists already`);
    return volume;
  }

  private async pack(
    name: string,
    directory: number,
    zstd: boolean,
    send: (archive: Archive) => Promise<void>,
  ): Promise<void> {
    const before = await fingerprintTree(this.linux, directory);
    const packer = new TreePacker(this.linux.files, { keeps: isKeptXattr });
    const plain = packer.packEntry(directory, '.', './');
    await send({ ...before, content: zstd ? zstdCompressed(this.linux, plain) : plain });
    if ((await fingerprintTree(this.linux, directory)).hash !== before.hash) {
      throw conflict(`volume ${name} has changed while it was archived`);
    }
  }

  private async importNew(wanted: Import): Promise<Imported> {
    let imported: Imported | undefined;
    const volume = { name: wanted.name, driver: 'local', options: {}, labels: {} };
    await this.volumes.create(volume, async (directory) => {
      imported = await this.unpack(wanted, directory);
    });
    if (!imported) throw conflict(`volume ${wanted.name} has been made meanwhile`);
    return imported;
  }

  private async unpack({ digest, content }: Import, directory: string): Promise<Imported> {
    const hash = createHash('sha256');
    const unpacker = new VolumeUnpacker(this.linux, join(directory, '_data'));
    try {
      const reader = new TarReader(unpacker);
      for await (const chunk of maybeDecompressed(this.linux, hashing(content, hash))) reader.write(chunk);
      reader.end();
      unpacker.finish();
    } finally {
      unpacker.close();
    }
    const found = `sha256:${hash.digest('hex')}`;
    if (digest !== '' && digest !== found) {
      throw invalidArgument(`the archive has the digest ${found}, not ${digest}`);
    }
    return { digest: found, entries: unpacker.entries };
  }

  private checkReplaceable({ record }: Volume): void {
    const { name, driver } = record;
    if (driver !== 'local' || this.local.isMount(record)) {
      throw notImplemented(`volume ${name} is no directory of this host: it cannot be restored in one step`);
    }
    const users = this.snapshots.users(name);
    if (users.length > 0) {
      throw conflict(`volume ${name} is used by running containers: stop them first - [${users.join(', ')}]`);
    }
  }
}

/** All that a file system keeps, but what belongs to the host: its labels, and overlayfs's own. */
const isKeptXattr = (name: string): boolean =>
  name !== 'security.selinux' && !name.startsWith('trusted.overlay.');

async function* hashing(
  content: AsyncIterable<Buffer>,
  hash: { update(bytes: Buffer): unknown },
): AsyncGenerator<Buffer> {
  for await (const chunk of content) {
    hash.update(chunk);
    yield chunk;
  }
}
