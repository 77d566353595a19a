import { execFileSync } from 'node:child_process';
import { docker } from './engine';
import type { CommandResult } from './docker-cli';

const known = new Map<string, Set<string>>();

/** The long flags of a command of the docker CLI that is installed here, in the order of its help. */
export function flagsOf(command: string): Set<string> {
  let flags = known.get(command);
  if (!flags) {
    const help = execFileSync('docker', [command, '--help'], { encoding: 'utf8' });
    flags = new Set([...help.matchAll(/^\s+(?:-\w, |\s{4})(--[a-z0-9-]+)/gm)].map(([, flag]) => flag ?? ''));
    known.set(command, flags);
  }
  return flags;
}

/** A test of flags of `docker run`. Older docker CLIs do not have all of them: it is skipped there. */
export function itHas(flags: string[], title: string, test: () => Promise<void>): void {
  const missing = flags.filter((flag) => !flagsOf('run').has(flag));
  const name = `${flags.join(' ')}: ${title}`;
  if (missing.length > 0) it.skip(`${name} (the CLI has no ${missing.join(', ')})`, test);
  else it(name, test);
}

/** `docker run --rm ARGS busybox sh -c SCRIPT`. */
export const runScript = (args: string[], script: string): Promise<CommandResult> =>
  docker(['run', '--rm', ...args, 'busybox', 'sh', '-c', script]);

/** What the script wrote. @throws where the container failed */
export async function outputOf(args: string[], script: string): Promise<string> {
  const result = await runScript(args, script);
  if (result.code !== 0) {
    throw new Error(`docker run ${args.join(' ')}: ${result.code}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}

/** What the CLI said to a run that must be refused. @throws where it was not */
export async function refusalOf(args: string[]): Promise<string> {
  const result = await docker(['run', '--rm', ...args, 'busybox', 'true']);
  if (result.code === 0) throw new Error(`docker run ${args.join(' ')} was not refused`);
  return result.stderr;
}
