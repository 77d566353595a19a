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
import { join } from 'node:path';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { LateSync } from '@gantry/shared/durability';
import { faultPoint } from '@gantry/shared/faults';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { type FileStamp, stampOf } from '@gantry/shared/validity';
import { CLOSED, SpareDirectories } from './spare-directories';
import { RECORD, volumesRoot, type Volume, type VolumeRecord } from './volume';
import { VolumeDeletion } from './volume-deletion';

const CREATING = '.creating-';
const SPARE = '.spare-';
const REMOVING = '.removing-';
const STAGING = '.staging-';
/** In the directory of a volume that its plugin is being asked to remove. */
const LEAVING_MARK = 'removing';

/** A volume that a crash left half-made: perhaps its plugin has it. */
export interface Unfinished {
  record: VolumeRecord;
  directory: string;
}

/**
 * `volumes/<name>/{_data, volume.json, refs/<container id>}`: the truth about which volumes there are and who has them.
 * A volume appears and disappears by one rename; names that start with a dot are the halves of those. A plugin's volume
 * has no `_data`, and `refs` comes with the first user.
 */
@Injectable()
export class VolumeDisk implements OnApplicationShutdown {
  private readonly root: string;
  private readonly spares: SpareDirectories;
  private readonly deletion: VolumeDeletion;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LINUX) private readonly linux: Linux,
    private readonly sync: LateSync,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.root = volumesRoot(config);
    this.deletion = new VolumeDeletion(this.root, linux, logger);
    this.spares = new SpareDirectories(this.root, SPARE);
  }

  /** Everything on disk; what a crash left half-made or half-removed is taken away, unless a plugin has to be asked. */
  load(): { volumes: Volume[]; unfinished: Unfinished[]; leaving: Volume[] } {
    mkdirSync(this.root, { recursive: true });
    chmodSync(this.root, CLOSED);
    const volumes: Volume[] = [];
    const unfinished: Unfinished[] = [];
    for (const entry of readdirSync(this.root, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const directory = join(this.root, entry.name);
      const record = this.readRecord(directory);
      if (entry.name.startsWith(CREATING) && record && record.driver !== 'local') {
        unfinished.push({ record, directory });
      } else if ([CREATING, SPARE, REMOVING, STAGING].some((prefix) => entry.name.startsWith(prefix))) {
        this.discard(directory);
      } else if (record) {
        chmodSync(directory, CLOSED);
        const users = new Set(this.readUsers(entry.name));
        volumes.push({ record: { ...record, name: entry.name }, users });
      }
    }
    const leaving = volumes.filter(({ record }) => existsSync(this.leavingMark(record.name)));
    return { volumes, unfinished, leaving };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.spares.close();
  }

  /** A directory with everything but its name. */
  async begin(record: VolumeRecord, withData: boolean): Promise<string> {
    const directory = withData ? await this.spares.take() : this.makeDirectory(record.name);
    try {
      faultPoint('volume-begun');
      // Not cut first: ext4 writes what replaces a file's content to the disk at once.
      writeFileSync(join(directory, RECORD), JSON.stringify(record, null, 2) + '\n', { flag: 'r+' });
      faultPoint('volume-written');
      return directory;
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** From here on the volume exists. */
  finish(name: string, directory: string): void {
    const place = join(this.root, name);
    try {
      renameSync(directory, place);
    } catch (error) {
      // A container's mark of a volume whose directory somebody had taken away; where there are data, it is not ours to decide.
      if (!hasCode(error, 'ENOTEMPTY') || existsSync(join(place, '_data'))) throw error;
      this.remove(name);
      renameSync(directory, place);
    }
    this.sync.add(join(this.root, name, RECORD), [this.root]);
    faultPoint('volume-named');
  }

  /** Of the record of a volume: written once, gone with the volume. undefined: it has none, as volumes of dockerd. */
  stampOf(name: string): FileStamp | undefined {
    return stampOf(join(this.root, name, RECORD));
  }

  /** Of a volume that never came to be, or is no more. In the background. */
  discard(directory: string): void {
    this.deletion.add(directory);
  }

  /** An empty `<directory>/_data` for content that is not a volume's yet: whoever asks for it discards the directory. */
  stage(name: string): string {
    const directory = join(this.root, STAGING + name + '-' + randomBytes(4).toString('hex'));
    mkdirSync(join(directory, '_data'), { recursive: true });
    chmodSync(directory, CLOSED);
    chmodSync(join(directory, '_data'), 0o755);
    return directory;
  }

  /** The staged content becomes the volume's in one step. Its old content is then in the staging directory. */
  exchange(name: string, staged: string): void {
    this.linux.files.exchange(join(this.root, name, '_data'), join(staged, '_data'));
    faultPoint('volume-exchanged');
  }

  /** Its plugin is going to be asked to remove it: whoever comes after a crash asks again. */
  markLeaving(name: string): void {
    writeFileSync(this.leavingMark(name), '', { mode: 0o600 });
  }

  unmarkLeaving(name: string): void {
    rmSync(this.leavingMark(name), { force: true });
  }

  /** The volume is gone when this returns; its bytes go in the background. */
  remove(name: string): void {
    const leaving = join(this.root, REMOVING + name + '-' + randomBytes(4).toString('hex'));
    try {
      renameSync(join(this.root, name), leaving);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return; // somebody has taken the directory away
      throw error;
    }
    faultPoint('volume-unnamed');
    this.discard(leaving);
  }

  addUser(name: string, containerId: string): void {
    const users = join(this.root, name, 'refs');
    mkdirSync(users, { recursive: true, mode: 0o700 });
    writeFileSync(join(users, containerId), '', { mode: 0o600 });
    this.sync.add(users);
    faultPoint('volume-user-added');
  }

  removeUser(name: string, containerId: string): void {
    rmSync(join(this.root, name, 'refs', containerId), { force: true });
    faultPoint('volume-user-removed');
  }

  /** For a volume whose plugin has the bytes. */
  private makeDirectory(name: string): string {
    const directory = join(this.root, CREATING + name + '-' + randomBytes(4).toString('hex'));
    mkdirSync(directory);
    chmodSync(directory, CLOSED);
    writeFileSync(join(directory, RECORD), '', { mode: 0o600 });
    return directory;
  }

  private leavingMark(name: string): string {
    return join(this.root, name, LEAVING_MARK);
  }

  private readUsers(name: string): string[] {
    const users = join(this.root, name, 'refs');
    return existsSync(users) ? readdirSync(users) : [];
  }

  /**
   * A directory that looks like dockerd's volumes (no record, but data) is a plain volume, and so is one whose record is
   * broken: the data is worth more than its labels. Anything else is left alone.
   */
  private readRecord(directory: string): VolumeRecord | undefined {
    const file = join(directory, RECORD);
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as VolumeRecord;
    } catch (error) {
      if (error instanceof SyntaxError) {
        this.logger.error(
          { err: error, file },
          'broken volume record: put aside, the volume is a plain one now',
        );
        renameSync(file, `${file}.broken`);
      } else if (existsSync(file)) {
        this.logger.error({ err: error, file }, 'unreadable volume record: the volume is left out');
        return undefined;
      }
    }
    const data = statSync(join(directory, '_data'), { throwIfNoEntry: false });
    if (!data) return undefined;
    return {
      name: '',
      driver: 'local',
      options: {},
      labels: {},
      createdAt: secondsOnly(data.mtime),
      anonymous: false,
    };
  }
}

/** RFC 3339 in whole seconds, as dockerd shows the creation time of volumes. */
export function secondsOnly(time: Date): string {
  return time.toISOString().slice(0, 'YYYY-MM-DDThh:mm:ss'.length) + 'Z';
}
