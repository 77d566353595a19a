import { Injectable } from '@nestjs/common';
import { LocalDriver } from '../local-driver/local-driver';
import { PluginDrivers, type PluginVolumes } from '../plugins/plugin-drivers';
import type { VolumeDriver } from './volume-driver';

/** The drivers by name. */
@Injectable()
export class VolumeDrivers {
  constructor(
    private readonly local: LocalDriver,
    private readonly plugins: PluginDrivers,
  ) {}

  /** Empty: `local`. @throws NotFound, Unavailable in dockerd's words */
  async get(name: string): Promise<VolumeDriver> {
    return name === '' || name === 'local' ? this.local : this.plugins.get(name);
  }

  /** Of all there are, whether or not they answer. */
  names(): string[] {
    return ['local', ...this.plugins.names()].sort();
  }

  /** The plugin that has a volume of that name, though we may not know of it. */
  whoHas(name: string): Promise<VolumeDriver | undefined> {
    return this.plugins.whoHas(name);
  }

  /** What plugins have, ours or not. */
  pluginVolumes(): Promise<PluginVolumes> {
    return this.plugins.list();
  }
}
