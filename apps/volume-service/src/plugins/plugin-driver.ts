import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { internal, notFound } from '@gantry/shared/errors';
import type { PluginSettings } from '../config';
import type { VolumeDriver } from '../drivers/volume-driver';
import type { VolumeDetails, VolumeRecord } from '../volumes/volume';
import { callPlugin, PluginError } from './plugin-client';
import type { PluginAddress } from './plugin-discovery';

/** API of volume plugins: an entry of `Get` and `List`. */
export interface PluginVolume {
  Name: string;
  Mountpoint?: string;
  CreatedAt?: string;
  Status?: object;
}

/** The volumes of a plugin (Docker's plugin API, "VolumeDriver"). What it says is checked before anybody believes it. */
export class PluginDriver implements VolumeDriver {
  readonly keepsData = false;

  constructor(
    private readonly address: PluginAddress,
    private readonly settings: PluginSettings,
    readonly scope: 'local' | 'global',
  ) {}

  get name(): string {
    return this.address.name;
  }

  /** What its options mean, only the plugin knows. */
  check(): void {}

  async create({ name, options }: VolumeRecord): Promise<void> {
    if (await this.has(name)) return;
    await this.change('Create', { Name: name, Opts: options });
  }

  async remove({ name }: VolumeRecord): Promise<void> {
    try {
      await this.change('Remove', { Name: name });
    } catch (error) {
      if (!(error instanceof PluginError) || (await this.has(name))) throw error;
    }
  }

  async describe({ name }: VolumeRecord): Promise<VolumeDetails> {
    const volume = await this.find(name);
    if (!volume) throw notFound(`get ${name}: no such volume`);
    // Older plugins say it only here.
    const mountpoint =
      volume.Mountpoint || (await this.ask<{ Mountpoint?: string }>('Path', name)).Mountpoint;
    return { mountpoint: mountpoint ?? '', createdAt: volume.CreatedAt, status: volume.Status };
  }

  async mount({ name }: VolumeRecord, containerId: string): Promise<string> {
    const { Mountpoint } = await this.change<{ Mountpoint?: unknown }>('Mount', {
      Name: name,
      ID: containerId,
    });
    if (typeof Mountpoint === 'string' && (await this.isDirectory(Mountpoint))) return Mountpoint;
    await this.unmount({ name }, containerId).catch(() => {});
    throw internal(
      `VolumeDriver.Mount: plugin ${JSON.stringify(this.name)} gave the mountpoint ${JSON.stringify(Mountpoint)}, which is no directory of this host`,
    );
  }

  async unmount({ name }: Pick<VolumeRecord, 'name'>, containerId: string): Promise<void> {
    await this.change('Unmount', { Name: name, ID: containerId });
  }

  /** All that it has. */
  async list(): Promise<PluginVolume[]> {
    const { Volumes } = await this.call<{ Volumes?: unknown }>('List', {}, this.settings.answerMs);
    return Array.isArray(Volumes) ? Volumes.filter(isVolume) : [];
  }

  /** Undefined where it says that there is none. @throws Unavailable, Internal for an answer that is none. */
  async find(name: string): Promise<PluginVolume | undefined> {
    try {
      const { Volume } = await this.ask<{ Volume?: unknown }>('Get', name);
      if (isVolume(Volume) && Volume.Name === name) return Volume;
      throw internal(
        `VolumeDriver.Get: plugin ${JSON.stringify(this.name)} was asked for volume ${name} and answered with ${JSON.stringify(Volume)}`,
      );
    } catch (error) {
      // It has no other way to say so than an error in words of its own.
      if (error instanceof PluginError) return undefined;
      throw error;
    }
  }

  private async has(name: string): Promise<boolean> {
    return (await this.find(name)) !== undefined;
  }

  private ask<T extends object>(method: string, name: string): Promise<T> {
    return this.call<T>(method, { Name: name }, this.settings.answerMs);
  }

  private change<T extends object>(method: string, body: object): Promise<T> {
    return this.call<T>(method, body, this.settings.longestMs);
  }

  private call<T extends object>(method: string, body: object, limitMs: number): Promise<T> {
    return callPlugin<T>(this.address, `VolumeDriver.${method}`, body, limitMs);
  }

  /** Within the time limit too: it may be on a network file system whose server is gone. */
  private async isDirectory(path: string): Promise<boolean> {
    if (!path.startsWith('/')) return false;
    const found = stat(path).then(
      (status) => status.isDirectory(),
      () => false,
    );
    const timer = new AbortController();
    const late = sleep(this.settings.answerMs, false, { ref: false, signal: timer.signal }).catch(
      () => false,
    );
    return Promise.race([found, late]).finally(() => timer.abort());
  }
}

const isVolume = (value: unknown): value is PluginVolume =>
  typeof (value as PluginVolume | null | undefined)?.Name === 'string';
