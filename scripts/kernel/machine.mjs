// Runs specs in the virtual machine, which is emulated: no /dev/kvm is needed, and no network of this host is reached.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../workspace/root.mjs';

const PROCESSORS = 2;
const MEMORY_MIB = 4096;
/** How many times longer a test may take inside. */
const SLOWNESS = 10;
/** What the instances inside and the kernel wrote. */
const LOGS = join(root, '.cache', 'kernel-logs');

/**
 * @param {import('./image.mjs').MachineImage} image
 * @param {{arguments: string[], environment: string[], append: string, minutes: number,
 *   architecture: ReturnType<typeof import('./architectures.mjs').architecture>}} job `arguments`: patterns of specs; `environment`: NAME=VALUE, for the specs and what they start; `append`: words for the kernel
 * @param {(line: string) => void} say
 * @returns {Promise<number>} jest's exit code; 124 where the time was over, 1 where the machine ended without a result
 */
export async function runJob(image, job, say) {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-kernel-'));
  try {
    const environment = [`GANTRY_TEST_SLOWNESS=${SLOWNESS}`, ...job.environment];
    writeFileSync(join(directory, 'environment'), environment.map(shellAssignment).join('\n'));
    writeFileSync(join(directory, 'arguments'), `${job.arguments.join('\n')}\n`);
    const timedOut = await boot(image, directory, job);
    rmSync(LOGS, { recursive: true, force: true });
    cpSync(directory, LOGS, { recursive: true });
    say(`logs of the instances, the kernel's words and results.json: ${LOGS}`);
    if (timedOut) {
      say(`not done within ${job.minutes} minutes: the machine was turned off`);
      return 124;
    }
    const code = join(directory, 'exit-code');
    if (existsSync(code)) return Number(readFileSync(code, 'utf8'));
    say('the machine ended without a result');
    return 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Resolves when the machine is off, with whether it had to be turned off. */
function boot({ disk, kernel, initrd }, directory, { append, architecture, minutes }) {
  const share = (tag, path, access) => [
    ...['-fsdev', `local,id=${tag},path=${path},security_model=none,multidevs=remap${access}`],
    ...['-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ];
  const machine = spawn(
    architecture.emulator,
    [
      ...[...architecture.machine, '-accel', 'tcg,thread=multi,tb-size=512'],
      ...['-smp', String(PROCESSORS), '-m', String(MEMORY_MIB)],
      ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
      ...['-kernel', kernel, '-initrd', initrd],
      ...[
        '-append',
        // The consoles are the job's and the kernel's: a login on one would hang up who writes there.
        `root=/dev/vda rw ${architecture.kernelWords} systemd.getty_auto=no quiet panic=-1 mitigations=off ${append}`,
      ],
      ...['-drive', `file=${disk},if=virtio,format=raw,snapshot=on,cache=unsafe`],
      ...['-device', 'virtio-rng-pci'],
      ...share('gantry', root, ',readonly=on'),
      ...share('job', directory, ''),
      ...[
        '-device',
        'virtio-serial-pci',
        '-chardev',
        'stdio,id=out,signal=off',
        '-device',
        'virtconsole,chardev=out',
      ],
      ...['-serial', `file:${join(directory, 'kernel.log')}`],
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  return new Promise((resolve, reject) => {
    let timedOut = false;
    const timer = setTimeout(() => (timedOut = machine.kill('SIGKILL')), minutes * 60_000);
    const turnOff = () => machine.kill('SIGKILL');
    process.once('exit', turnOff);
    machine.once('error', reject);
    machine.once('exit', () => {
      clearTimeout(timer);
      process.off('exit', turnOff);
      resolve(timedOut);
    });
  });
}

function shellAssignment(assignment) {
  const at = assignment.indexOf('=');
  return `${assignment.slice(0, at)}='${assignment.slice(at + 1).replaceAll("'", "'\\''")}'`;
}
