import { parseArgs } from 'node:util';
import { StartError } from './names.mjs';
import { applySettings, sourcesOf } from './settings.mjs';

/**
 * The options that every command about an instance takes; what the instance's files of settings say is put into the environment.
 * @param {string[]} args
 * @param {Record<string, {type: 'string' | 'boolean'}>} [more]
 * @returns {{name?: string, runDir?: string, dataRoot?: string, hosts?: string[], configFile?: string,
 *   readAgain: () => void, [more: string]: unknown}} `readAgain` does so with what the files say by then
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
        'config-file': { type: 'string' },
        ...more,
      },
    }));
  } catch (error) {
    throw new StartError(error.message);
  }
  const { instance: name, 'run-dir': runDir, 'data-root': dataRoot, host: hosts, ...others } = values;
  const { 'config-file': configFile, ...rest } = others;
  const sources = sourcesOf(name || process.env.GANTRY_INSTANCE || 'gantry', {
    config: configFile,
    flags: flagsOf({ runDir, dataRoot, hosts }),
  });
  const readAgain = () => applySettings(sources);
  readAgain();
  return { name, runDir, dataRoot, hosts, configFile, readAgain, ...rest };
}

/** The options that a file of settings may name too, as they were given. */
function flagsOf({ runDir, dataRoot, hosts }) {
  const flags = {
    GANTRY_RUN_DIR: runDir,
    GANTRY_DATA_ROOT: dataRoot,
    GANTRY_HOSTS: hosts && `[${hosts.join(' ')}]`,
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
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
