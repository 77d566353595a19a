import { Inject, Injectable } from '@nestjs/common';
import { within } from '@gantry/shared/deadlines';
import { isKind, messageOf, notFound, unavailable } from '@gantry/shared/errors';
import { PLUGIN_SETTINGS, type PluginSettings } from '../config';
import { callPlugin } from './plugin-client';
import { PluginDiscovery, type PluginAddress } from './plugin-discovery';
import { PluginDriver, type PluginVolume } from './plugin-driver';

/** A plugin that failed is not asked again for this long by those who only look around. Milliseconds. */
const SPARED_MS = 30_000;

/** What all plugins together have. */
export interface PluginVolumes {
  volumes: { driver: PluginDriver; volume: PluginVolume }[];
  /** A sentence a plugin that did not answer. */
  warnings: string[];
}

/** The volume drivers that are plugins. */
@Injectable()
export class PluginDrivers {
  /** Plugins that have said what they are, by name; `url` because a plugin may come back elsewhere. */
  private readonly activated = new Map<string, { url: string; driver: PluginDriver }>();
  private readonly failures = new Map<string, { at: number; why: string }>();

  constructor(
    @Inject(PLUGIN_SETTINGS) private readonly settings: PluginSettings,
    private readonly discovery: PluginDiscovery,
  ) {}

  /** @throws NotFound, Unavailable in dockerd's words. */
  async get(name: string): Promise<PluginDriver> {
    const address = this.discovery.find(name);
    const known = this.activated.get(address.name);
    if (known?.url === address.url) return known.driver;
    const driver = new PluginDriver(address, this.settings, await this.activate(address));
    this.activated.set(address.name, { url: address.url, driver });
    return driver;
  }

  names(): string[] {
    return this.discovery.names();
  }

  /** Those that answer soon; the others are named. */
  async list(): Promise<PluginVolumes> {
    const found = await this.glance((driver) => driver.list());
    return {
      volumes: found.flatMap(({ driver, answer = [] }) =>
        driver ? answer.map((volume) => ({ driver, volume })) : [],
      ),
      warnings: found.flatMap(({ warning }) => (warning ? [warning] : [])),
    };
  }

  /** The plugin that has a volume of that name, as far as they answer soon. */
  async whoHas(name: string): Promise<PluginDriver | undefined> {
    const found = await this.glance(async (driver) => (await driver.find(name)) !== undefined);
    return found.find(({ answer }) => answer)?.driver;
  }

  /** Asks every plugin there is, side by side, and spares those that have just failed. */
  private glance<T>(
    ask: (driver: PluginDriver) => Promise<T>,
  ): Promise<{ driver?: PluginDriver; answer?: T; warning?: string }[]> {
    return Promise.all(
      this.discovery.names().map(async (name) => {
        const failure = this.failures.get(name);
        if (failure && Date.now() - failure.at < SPARED_MS) return { warning: failure.why };
        try {
          const driver = await this.soon(this.get(name));
          const answer = await this.soon(ask(driver));
          this.failures.delete(name);
          return { driver, answer };
        } catch (error) {
          // It is a plugin, but not for volumes.
          if (isKind(error, 'NotFound')) return {};
          const why = `volume plugin ${JSON.stringify(name)}: ${messageOf(error)}`;
          this.failures.set(name, { at: Date.now(), why });
          return { warning: why };
        }
      }),
    );
  }

  private soon<T>(answer: Promise<T>): Promise<T> {
    const { glanceMs } = this.settings;
    return within(glanceMs, `did not answer within ${glanceMs / 1000} s`, answer);
  }

  /** The handshake; gives the scope. A plugin too old to have capabilities is local. */
  private async activate(address: PluginAddress): Promise<'local' | 'global'> {
    const lookup = `error looking up volume plugin ${address.name}: `;
    try {
      if (!address.managed) {
        const { Implements } = await callPlugin<{ Implements?: unknown }>(
          address,
          'Plugin.Activate',
          {},
          this.settings.answerMs,
        );
        if (!Array.isArray(Implements) || !Implements.includes('VolumeDriver')) {
          throw notFound(`${lookup}Plugin does not implement the requested driver`);
        }
      }
      return await this.scopeOf(address);
    } catch (error) {
      if (isKind(error, 'NotFound')) throw error;
      throw unavailable(lookup + messageOf(error), error);
    }
  }

  private async scopeOf(address: PluginAddress): Promise<'local' | 'global'> {
    try {
      const { Capabilities } = await callPlugin<{ Capabilities?: { Scope?: string } }>(
        address,
        'VolumeDriver.Capabilities',
        {},
        this.settings.answerMs,
      );
      return Capabilities?.Scope === 'global' ? 'global' : 'local';
    } catch (error) {
      if (isKind(error, 'Internal')) return 'local';
      throw error;
    }
  }
}
