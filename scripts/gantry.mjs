#!/usr/bin/env node
// What an operator asks of an instance: `npm run gantry -- COMMAND`, or `gantry COMMAND` where it is installed.
import { request } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { instanceArguments, runCommand } from './instance/arguments.mjs';
import { FROM_SYSTEMD } from './instance/api-sockets.mjs';
import { checkReport } from './instance/check-report.mjs';
import { StartError, instanceNames } from './instance/names.mjs';
import { restartServices } from './instance/restart.mjs';

const USAGE = `usage: gantry COMMAND [--instance NAME] [--run-dir DIR] [--data-root DIR] [--config-file FILE]

check      compares images, layers and blobs on disk with the index, reads and hashes all of them, and says what is wrong;
           --repair mends it, --json prints the lines as the engine sends them, --host unix:///path asks that engine.
           Exit code 0: nothing is wrong (any more), 1: something is.
restart    restarts one service after the other, with settings that have changed; requests wait meanwhile.
doctor     what a start needs of this host, as a table.
install    makes it a service of this host under systemd, or upgrades that; --docker-socket serves /run/docker.sock, too;
           --config-file /etc/docker/daemon.json takes its settings from there.
uninstall  takes that away; containers keep running, data stay.
clean      removes everything of an instance from this host; --keep-data keeps the data root.`;

const say = (line) => process.stdout.write(`${line}\n`);

const COMMANDS = {
  check,
  restart: (args) => restartServices(instanceNames(instanceArguments(args))),
  doctor: () => import('./doctor.mjs'),
  clean: () => import('./clean.mjs'),
  install: async (args) => {
    const options = instanceArguments(args, { 'docker-socket': { type: 'boolean' } });
    const { install } = await import('./install/install.mjs');
    await install(instanceNames(options), {
      dockerSocket: options['docker-socket'] === true,
      configFile: options.configFile,
      say,
    });
  },
  uninstall: async (args) => {
    const { uninstall } = await import('./install/install.mjs');
    await uninstall(instanceNames(instanceArguments(args)), { say });
  },
};

await runCommand(async () => {
  // The scripts of some commands read their own arguments.
  const [command = 'help'] = process.argv.splice(2, 1);
  if (command === 'help' || command === '--help') return say(USAGE);
  if (!Object.hasOwn(COMMANDS, command)) throw new StartError(`no such command: ${command}\n${USAGE}`);
  await COMMANDS[command](process.argv.slice(2));
});

async function check(args) {
  const options = instanceArguments(args, { repair: { type: 'boolean' }, json: { type: 'boolean' } });
  const print = (text) => process.stdout.write(text);
  const report = checkReport({ json: options.json === true, terminal: process.stdout.isTTY === true, print });
  const path = `/gantry/check${options.repair ? '?repair=1' : ''}`;
  for await (const line of linesOf(socketOf(options), path)) report.line(line);
  process.exitCode = report.end();
}

function socketOf(options) {
  const { hosts, runDir } = instanceNames(options);
  if (hosts.includes(FROM_SYSTEMD)) return `${runDir}/docker.sock`;
  const unix = hosts.find((host) => host.startsWith('unix://'));
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
