#!/usr/bin/env node
// gantry check [--repair] [--json] [--instance NAME | --host unix:///path]
import { request } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { instanceArguments, runCommand } from './instance/arguments.mjs';
import { checkReport } from './instance/check-report.mjs';
import { StartError, instanceNames } from './instance/names.mjs';

const USAGE = `usage: gantry check [--repair] [--json] [--instance NAME | --host unix:///path/to/docker.sock]

check  compares images, layers and blobs on disk with the index, reads and hashes all of them, and says what is wrong;
       --repair mends it, --json prints the lines as the engine sends them.
       Exit code 0: nothing is wrong (any more), 1: something is.`;

await runCommand(async () => {
  const [command, ...args] = process.argv.slice(2);
  if (command === undefined || command === 'help' || command === '--help') {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  if (command !== 'check') throw new StartError(`no such command: ${command}\n${USAGE}`);
  const options = instanceArguments(args, { repair: { type: 'boolean' }, json: { type: 'boolean' } });
  const print = (text) => process.stdout.write(text);
  const report = checkReport({ json: options.json === true, terminal: process.stdout.isTTY === true, print });
  const path = `/gantry/check${options.repair ? '?repair=1' : ''}`;
  for await (const line of linesOf(socketOf(options), path)) report.line(line);
  process.exitCode = report.end();
});

function socketOf(options) {
  const unix = instanceNames(options).hosts.find((host) => host.startsWith('unix://'));
  if (unix === undefined) throw new StartError('gantry check asks a unix socket: --host unix:///path');
  return unix.slice('unix://'.length);
}

/** The JSON lines that a POST answers. @throws StartError with the engine's own words */
async function* linesOf(socketPath, path) {
  const response = await new Promise((resolve, reject) => {
    const unreachable = (error) =>
      reject(new StartError(`no engine answers on unix://${socketPath}: ${error.message}`));
    request({ socketPath, path, method: 'POST' }, resolve).once('error', unreachable).end();
  });
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of response) {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (response.statusCode !== 200) rest = [...lines, rest].join('\n');
    else yield* lines.map((line) => JSON.parse(line));
  }
  if (response.statusCode !== 200) throw new StartError(JSON.parse(rest).message);
}
