// A file in the format of dockerd's daemon.json, as settings of Gantry (ADR 0044).
import { readFileSync } from 'node:fs';
import { DIRECTIVES } from './directives.mjs';
import { StartError } from './names.mjs';

/** Where the file of an instance is, if nobody names another. */
export const daemonFile = (instance) => `/etc/gantry/${instance}.json`;

/**
 * @param {string} file
 * @param {(variable: string) => string | undefined} given what else sets that variable, for the user; undefined: nothing
 * @returns {Record<string, string>} variables of the environment
 * @throws {StartError} in dockerd's words; also for what is in the file and not honoured
 */
export function readDaemonJson(file, given) {
  const refuse = (why) => {
    throw new StartError(`unable to configure the Docker daemon with file ${file}: ${why}`);
  };
  const document = parse(file, refuse);
  const names = Object.keys(document);
  const unknown = names.filter((name) => !Object.hasOwn(DIRECTIVES, name));
  if (unknown.length > 0) {
    refuse(`the following directives don't match any configuration option: ${unknown.join(', ')}`);
  }
  for (const name of names) checkType(name, document[name], refuse);
  const conflicts = names.flatMap((name) => conflict(name, document[name], given));
  if (conflicts.length > 0) {
    refuse(
      `the following directives are specified both as a flag and in the configuration file: ${conflicts.join(', ')}`,
    );
  }
  const idle = names.filter((name) => !isHonoured(DIRECTIVES[name], document[name]));
  if (idle.length > 0) {
    const shown = idle.map((name) => `${name}: ${JSON.stringify(document[name])}`);
    refuse(`the following directives are dockerd's, and Gantry does not honour them: ${shown.join(', ')}`);
  }
  const settings = names.filter((name) => DIRECTIVES[name].variable);
  return Object.fromEntries(
    settings.map((name) => [DIRECTIVES[name].variable, DIRECTIVES[name].write(document[name], document)]),
  );
}

/** An empty file says nothing, as dockerd has it. */
function parse(file, refuse) {
  let text;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    return refuse(error.code === 'ENOENT' ? `open ${file}: no such file or directory` : error.message);
  }
  if (text === '') return {};
  let document;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return refuse(`invalid JSON: ${error.message}`);
  }
  if (goKind(document) !== 'object') {
    refuse(
      `invalid JSON: json: cannot unmarshal ${goKind(document)} into Go value of type map[string]interface {}`,
    );
  }
  return document;
}

function checkType(name, value, refuse) {
  const { type, accepts } = DIRECTIVES[name];
  if (accepts(value)) return;
  refuse(
    `invalid JSON: json: cannot unmarshal ${goKind(value)} into Go struct field Config.${name} of type ${type}`,
  );
}

/** What Go calls a value of JSON. */
function goKind(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function conflict(name, value, given) {
  const { variable } = DIRECTIVES[name];
  const flag = variable && given(variable);
  if (flag === undefined) return [];
  const shown = Array.isArray(value) ? `[${value.join(' ')}]` : JSON.stringify(value);
  return [`${name}: (from flag: ${flag}, from file: ${shown})`];
}

function isHonoured({ variable, always }, value) {
  return variable !== undefined || always.includes(value);
}
