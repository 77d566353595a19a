import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';

/** Where host programs live even when PATH is that of an unprivileged login. */
const SYSTEM_DIRECTORIES = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/usr/libexec/podman',
];

/** The path of an executable: found in PATH and the system directories, or as given when it has a slash. */
export function which(program: string): string | undefined {
  if (program === '') return undefined;
  if (program.includes('/')) return isExecutable(program) ? program : undefined;
  const searched = [...(process.env.PATH ?? '').split(':').filter(Boolean), ...SYSTEM_DIRECTORIES];
  return searched.map((directory) => join(directory, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
