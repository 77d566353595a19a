import type { VolumeRecord } from '../volumes/volume';

/** What a driver says about a volume of its own. */
export interface VolumeDetails {
  /** Where it is on this host; empty while a plugin has it nowhere. */
  mountpoint: string;
  /** RFC 3339. */
  createdAt?: string;
  /** Anything (API: Volume, Status). */
  status?: object;
}

/**
 * Who keeps the bytes of volumes: `local`, or a plugin. The records, the references and who has what mounted are ours.
 * All but {@link check} can be repeated after a crash: what is done already is no error.
 */
export interface VolumeDriver {
  readonly name: string;
  /** API: Volume, Scope. */
  readonly scope: 'local' | 'global';
  /** Whether the bytes are in the volume's directory in the data root. */
  readonly keepsData: boolean;
  /** @throws InvalidArgument */
  check(name: string, options: Record<string, string>): void;
  /** `directory`: the volume's in the data root, not yet under its name. */
  create(record: VolumeRecord, directory: string): Promise<void>;
  remove(record: VolumeRecord): Promise<void>;
  /** @throws NotFound when the driver has no such volume. */
  describe(record: VolumeRecord): Promise<VolumeDetails>;
  /** For a container; gives the directory. */
  mount(record: VolumeRecord, containerId: string): Promise<string>;
  /** `others`: how many containers still have it mounted. */
  unmount(record: VolumeRecord, containerId: string, others: number): Promise<void>;
}
