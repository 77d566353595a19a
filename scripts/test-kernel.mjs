// npm run test:kernel -- [--suite trixie] [--architecture arm64] [--append 'KERNEL WORDS'] [--env NAME=VALUE]... [--minutes N]
// [PATTERN...]: end-to-end specs inside a virtual machine that has what this host's kernel may lack (docs/adr/0023). Patterns are
// parts of the paths of specs.
import { parseArgs } from 'node:util';
import { runCommand } from './instance/arguments.mjs';
import { StartError } from './instance/names.mjs';
import { architecture } from './kernel/architectures.mjs';
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
        architecture: { type: 'string', default: process.arch },
        env: { type: 'string', multiple: true, default: [] },
        minutes: { type: 'string', default: '45' },
        suite: { type: 'string' },
      },
    });
    const minutes = Number(values.minutes);
    if (!(minutes > 0)) throw new StartError(`--minutes: not a number: ${values.minutes}`);
    const patterns = positionals.length > 0 ? positionals : DEFAULT_PATTERNS;
    const { append, env, suite } = values;
    const job = { append, architecture: architecture(values.architecture), environment: env, minutes };
    return { job: { ...job, arguments: patterns }, suite };
  } catch (error) {
    throw new StartError(error.message);
  }
}

await runCommand(async () => {
  const { job, suite } = options();
  if (process.getuid?.() !== 0)
    throw new StartError('root: run as root, the machine’s disk has files of all users');
  // Inside there is neither a network nor a reason to build anew.
  if (!buildIsCurrent()) await build();
  const image = await machineImage(job.architecture, suite, say);
  process.exitCode = await runJob(image, job, say);
});
