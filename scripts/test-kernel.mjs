// npm run test:kernel -- [--append 'KERNEL WORDS'] [--env NAME=VALUE]... [--minutes N] [PATTERN...]: end-to-end specs inside a virtual
// machine that has what this host's kernel may lack (docs/adr/0023). Patterns are parts of the paths of specs.
import { parseArgs } from 'node:util';
import { runCommand } from './instance/arguments.mjs';
import { StartError } from './instance/names.mjs';
import { machineImage } from './kernel/image.mjs';
import { runJob } from './kernel/machine.mjs';
import { build, buildIsCurrent } from './workspace/build.mjs';

/** What depends on the kernel most. */
const DEFAULT_PATTERNS = ['test/kernel', 'test/cli/(networks|run-flags-(resources|security)|update-flags)'];

const say = (line) => process.stdout.write(`${line}\n`);

function options() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        append: { type: 'string', default: '' },
        env: { type: 'string', multiple: true, default: [] },
        minutes: { type: 'string', default: '45' },
      },
    });
    const minutes = Number(values.minutes);
    if (!(minutes > 0)) throw new StartError(`--minutes: not a number: ${values.minutes}`);
    const patterns = positionals.length > 0 ? positionals : DEFAULT_PATTERNS;
    return { append: values.append, environment: values.env, minutes, patterns };
  } catch (error) {
    throw new StartError(error.message);
  }
}

await runCommand(async () => {
  const { append, environment, minutes, patterns } = options();
  if (process.getuid?.() !== 0)
    throw new StartError('root: run as root, the machine’s disk has files of all users');
  // Inside there is neither a network nor a reason to build anew.
  if (!buildIsCurrent()) await build();
  const image = await machineImage(say);
  process.exitCode = await runJob(image, { append, environment, minutes, arguments: patterns }, say);
});
