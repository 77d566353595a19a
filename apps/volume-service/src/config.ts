import { SettingError } from '@gantry/shared/config';

export interface PluginSettings {
  /** Where plugins put their sockets. */
  sockets: string;
  /** Where `.sock`, `.spec` and `.json` files say where plugins are. */
  specs: string[];
  /** A plugin that takes longer to create, remove, mount or unmount has failed. Milliseconds. */
  longestMs: number;
  /** The same where it is only asked for something. */
  answerMs: number;
  /** The same where it is not sure that it has to do with it at all: somebody lists volumes, or makes one of another driver. */
  glanceMs: number;
}

const ANSWER_MS = 10_000;
const GLANCE_MS = 1_000;

/**
 * Docker's directories unless GANTRY_PLUGIN_SOCKETS or GANTRY_PLUGIN_SPECS (with colons between them) name others;
 * GANTRY_PLUGIN_SECONDS is the longest that a plugin may take, 60 by default.
 */
export function pluginSettings(env: NodeJS.ProcessEnv = process.env): PluginSettings {
  const seconds = Number(env['GANTRY_PLUGIN_SECONDS'] ?? 60);
  if (!(seconds > 0 && seconds <= 3600)) {
    throw new SettingError('GANTRY_PLUGIN_SECONDS has to be a number up to 3600');
  }
  return {
    sockets: env['GANTRY_PLUGIN_SOCKETS'] ?? '/run/docker/plugins',
    specs: (env['GANTRY_PLUGIN_SPECS'] ?? '/etc/docker/plugins:/usr/lib/docker/plugins').split(':'),
    longestMs: seconds * 1000,
    answerMs: Math.min(ANSWER_MS, seconds * 1000),
    glanceMs: GLANCE_MS,
  };
}

/** Injection token of {@link PluginSettings}. */
export const PLUGIN_SETTINGS = Symbol('PluginSettings');
