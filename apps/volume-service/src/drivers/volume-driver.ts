import type { VolumeDetails, VolumeRecord } from '../volumes/volume';

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
