import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { internal, invalidArgument } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import type { VolumeDriver } from '../drivers/volume-driver';
import { volumesRoot, type VolumeDetails, type VolumeRecord } from '../volumes/volume';
import { checkOptions, needsMount, sizeLimit } from './local-options';
import { VolumeMounter } from './volume-mounter';

/**
 * dockerd's `local` driver: a volume is a directory, limited where `size` says so; with `type`, `o` and `device` it is that
 * file system, mounted over its directory while a container uses it. Whether it is mounted is asked of the kernel, never
 * remembered.
 */
@Injectable()
export class LocalDriver implements VolumeDriver {
  readonly name = 'local';
  readonly scope = 'local';
  readonly keepsData = true;
  private readonly root: string;

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    private readonly mounter: VolumeMounter,
  ) {
    this.root = volumesRoot(config);
  }

  check(name: string, options: Record<string, string>): void {
    checkOptions(name, options);
    if (sizeLimit(name, options) > 0 && !this.linux.quotas.available(this.root)) {
      throw invalidArgument(`create ${name}: quota size requested but no quota support`);
    }
  }

  async create({ name, options }: VolumeRecord, directory: string): Promise<void> {
    const bytes = sizeLimit(name, options);
    if (bytes === 0) return;
    try {
      this.linux.quotas.limit(join(directory, '_data'), bytes);
    } catch (error) {
      throw internal(`create ${name}: failed to set the quota of the volume`, error);
    }
  }

  async remove(): Promise<void> {}

  async describe({ name }: VolumeRecord): Promise<VolumeDetails> {
    return { mountpoint: this.mountpoint(name) };
  }

  async mount(record: VolumeRecord): Promise<string> {
    const mountpoint = this.mountpoint(record.name);
    if (needsMount(record.options) && !this.isMounted(record.name)) {
      await this.mounter.mount(mountpoint, record.options);
    }
    return mountpoint;
  }

  async unmount(record: VolumeRecord, _containerId: string, others: number): Promise<void> {
    if (others === 0) this.detach(record);
  }

  /** Whether the directory itself has to stay where it is, because it is one of another file system. */
  isMount({ options }: VolumeRecord): boolean {
    return needsMount(options);
  }

  isMounted(name: string): boolean {
    return this.linux.mounts.isMountPoint(this.mountpoint(name));
  }

  detach({ name, options }: VolumeRecord): void {
    if (needsMount(options)) this.linux.mounts.detach(this.mountpoint(name));
  }

  mountpoint(name: string): string {
    return join(this.root, name, '_data');
  }
}
