import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { Volume, VolumeRecord } from './volume';

/** Other users pass through to what they have open, and list nothing: dockerd's modes. */
const CLOSED = 0o701;
const CREATING = '.creating-';
const REMOVING = '.removing-';

/**
 * `volumes/<name>/{_data, volume.json, refs/<container id>}`: the truth about which volumes there are and who has them.
 * A volume appears and disappears by one rename; names that start with a dot are the halves of those.
 */
@Injectable()
export class VolumeDisk {
  private readonly root: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LINUX) private readonly linux: Linux,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.root = join(config.dataRoot, 'volumes');
  }

  directory(name: string): string {
    return join(this.root, name);
  }

  mountpoint(name: string): string {
    return join(this.root, name, '_data');
  }

  /** Everything on disk; what a crash left half-made or half-removed is taken away. */
  load(): Volume[] {
    mkdirSync(this.root, { recursive: true });
    chmodSync(this.root, CLOSED);
    const volumes: Volume[] = [];
    for (const entry of readdirSync(this.root, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      if (entry.name.startsWith(CREATING) || entry.name.startsWith(REMOVING)) {
        void this.deleteTree(join(this.root, entry.name));
        continue;
      }
      const record = this.readRecord(entry.name);
      if (record) volumes.push({ record, users: new Set(this.readUsers(entry.name)) });
    }
    return volumes;
  }

  create(record: VolumeRecord): void {
    const unfinished = join(this.root, CREATING + record.name + '-' + randomBytes(4).toString('hex'));
    const makeDirectory = (path: string, mode: number) => {
      mkdirSync(path);
      chmodSync(path, mode);
    };
    try {
      makeDirectory(unfinished, CLOSED);
      makeDirectory(join(unfinished, '_data'), 0o755);
      makeDirectory(join(unfinished, 'refs'), 0o700);
      writeFileSync(join(unfinished, 'volume.json'), JSON.stringify(record, null, 2) + '\n', { mode: 0o600 });
      renameSync(unfinished, this.directory(record.name));
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      throw error;
    }
  }

  /** The volume is gone when this returns; its bytes go in the background. */
  remove(name: string): void {
    const leaving = join(this.root, REMOVING + name + '-' + randomBytes(4).toString('hex'));
    renameSync(this.directory(name), leaving);
    void this.deleteTree(leaving);
  }

  addUser(name: string, containerId: string): void {
    const users = join(this.directory(name), 'refs');
    mkdirSync(users, { recursive: true, mode: 0o700 });
    writeFileSync(join(users, containerId), '', { mode: 0o600 });
  }

  removeUser(name: string, containerId: string): void {
    rmSync(join(this.directory(name), 'refs', containerId), { force: true });
  }

  private readUsers(name: string): string[] {
    const users = join(this.directory(name), 'refs');
    return existsSync(users) ? readdirSync(users) : [];
  }

  /** A directory without a record that looks like dockerd's is taken as a plain volume; anything else is left alone. */
  private readRecord(name: string): VolumeRecord | undefined {
    const file = join(this.directory(name), 'volume.json');
    try {
      return { ...(JSON.parse(readFileSync(file, 'utf8')) as VolumeRecord), name };
    } catch (error) {
      if (existsSync(file)) {
        this.logger.error({ err: error, file }, 'unreadable volume record: the volume is left out');
        return undefined;
      }
    }
    if (!existsSync(this.mountpoint(name))) return undefined;
    return {
      name,
      driver: 'local',
      options: {},
      labels: {},
      createdAt: secondsOnly(statSync(this.mountpoint(name)).mtime),
      anonymous: false,
    };
  }

  private async deleteTree(path: string): Promise<void> {
    try {
      // Whatever is still mounted below must be let go, not emptied.
      const below = this.linux.mounts.listMounts().filter((mount) => mount.mountPoint.startsWith(path + '/'));
      for (const mount of below.reverse()) this.linux.mounts.detach(mount.mountPoint);
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      this.logger.warn({ err: error, path }, 'not removed yet, the next start tries again');
    }
  }
}

/** RFC 3339 in whole seconds, as dockerd shows the creation time of volumes. */
export function secondsOnly(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
