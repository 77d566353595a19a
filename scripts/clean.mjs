// npm run clean -- --instance NAME [--keep-data] [--run-dir DIR] [--data-root DIR]
import { instanceArguments, runCommand } from './instance/arguments.mjs';
import { cleanInstance } from './instance/clean.mjs';
import { StartError, instanceNames } from './instance/names.mjs';

await runCommand(async () => {
  const options = instanceArguments(process.argv.slice(2), { 'keep-data': { type: 'boolean' } });
  if (process.getuid?.() !== 0) throw new StartError('run as root');
  if (!options.name) {
    throw new StartError('name the instance to remove: npm run clean -- --instance gantry');
  }
  let removed = 0;
  await cleanInstance(instanceNames(options), {
    keepData: options['keep-data'] === true,
    say: (line) => {
      removed += 1;
      process.stdout.write(`${line}\n`);
    },
  });
  if (removed === 0) process.stdout.write(`nothing of the instance ${options.name} is here\n`);
});
