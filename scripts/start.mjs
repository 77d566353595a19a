// npm start [-- --instance NAME] [--host unix:///path] [--host tcp://address:port] [--run-dir DIR] [--data-root DIR]
//   [--config-file FILE]
import { instanceArguments, runCommand } from './instance/arguments.mjs';
import { startInstance } from './instance/instance.mjs';
import { instanceNames } from './instance/names.mjs';
import { leaveOutcome } from './instance/restart.mjs';
import { findProgram, output } from './host/programs.mjs';
import { setUp } from './workspace/set-up.mjs';

const say = (line) => process.stdout.write(`${line}\n`);

// Whoever reads the log may leave; the instance stays.
process.stdout.on('error', () => {});

await runCommand(async () => {
  const began = performance.now();
  const options = instanceArguments(process.argv.slice(2));
  const stopRequested = new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, resolve);
    if (process.env.npm_lifecycle_event !== undefined) onceOrphaned(resolve);
  });
  await setUp(instanceNames(options), { say });
  const starting = startInstance(options);
  const instance = await Promise.race([starting, stopRequested.then(() => undefined)]);
  if (instance) {
    say('');
    say(
      `Gantry is ready after ${((performance.now() - began) / 1000).toFixed(1)} s on ${instance.names.hosts.join(', ')}`,
    );
    say('');
    say(`  export DOCKER_HOST=${instance.dockerHost}`);
    say('  docker version');
    say('');
    await tellSystemd('--ready');
    process.on('SIGUSR2', () => void restart(instance, options.readAgain));
    await stopRequested;
  }
  say('stopping; containers keep running');
  await tellSystemd('--stopping');
  await (await starting).stop();
  process.exit(0);
});

/** Of a unit of Type=notify. */
async function tellSystemd(what) {
  const program = process.env.NOTIFY_SOCKET ? findProgram('systemd-notify') : undefined;
  if (program) await output(program, [what]).catch((error) => say(`gantry: ${error.message}`));
}

/** With the settings that the files have by now. */
async function restart(instance, readSettings) {
  try {
    readSettings();
    await instance.restart(process.env);
    leaveOutcome(instance.names, '');
  } catch (error) {
    say(`gantry: the restart has stopped: ${error.message}`);
    leaveOutcome(instance.names, error.message);
  }
}

// npm ends on SIGTERM without passing it on: that it is gone is the signal.
function onceOrphaned(callback) {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    callback();
  }, 200).unref();
}
