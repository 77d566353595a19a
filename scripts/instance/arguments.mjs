import { parseArgs } from 'node:util';
import { StartError } from './names.mjs';
import { applySettings, settingsFile } from './settings.mjs';

/**
 * The options that every command about an instance takes; the instance's file of settings is put into the environment.
 * @param {string[]} args
 * @param {Record<string, {type: 'string' | 'boolean'}>} [more]
 * @returns {{name?: string, runDir?: string, dataRoot?: string, hosts?: string[], [more: string]: unknown}}
 */
export function instanceArguments(args, more = {}) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        instance: { type: 'string' },
        'run-dir': { type: 'string' },
        'data-root': { type: 'string' },
        host: { type: 'string', multiple: true },
        ...more,
      },
    }));
  } catch (error) {
    throw new StartError(error.message);
  }
  const { instance: name, 'run-dir': runDir, 'data-root': dataRoot, host: hosts, ...rest } = values;
  applySettings(settingsFile(name || process.env.GANTRY_INSTANCE || 'gantry'));
  return { name, runDir, dataRoot, hosts, ...rest };
}

/**
 * Runs a command; a StartError is one line on stderr and exit code 1.
 * @param {() => Promise<void>} command
 */
export async function runCommand(command) {
  try {
    await command();
  } catch (error) {
    process.stderr.write(`${error instanceof StartError ? `gantry: ${error.message}` : error.stack}\n`);
    process.exit(1);
  }
}
