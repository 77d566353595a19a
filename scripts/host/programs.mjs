// Finding and running host programs.
import { execFile, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * @param {string} program
 * @returns {string | undefined} the absolute path; the system directories are searched after PATH
 */
export function findProgram(program) {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, program)).find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} soname e.g. `libseccomp.so.2`
 * @returns {string | undefined}
 */
export function findLibrary(soname) {
  const roots = ['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/usr/local/lib'];
  const multiarch = ['/lib', '/usr/lib'].flatMap((root) =>
    existsSync(root)
      ? readdirSync(root)
          .filter((entry) => entry.includes('-linux-'))
          .map((entry) => join(root, entry))
      : [],
  );
  return [...multiarch, ...roots].map((directory) => join(directory, soname)).find(existsSync);
}

/**
 * The directory of the newest PostgreSQL server binaries, or of the major version asked for.
 * @param {string} [version] e.g. `15`
 * @returns {string | undefined}
 */
export function findPostgres(version) {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root) : [];
  const [newest] = versions
    .filter((candidate) => version === undefined || candidate === version)
    .filter((candidate) => isExecutable(join(root, candidate, 'bin', 'postgres')))
    .sort((a, b) => Number(b) - Number(a));
  if (newest !== undefined) return join(root, newest, 'bin');
  const onPath = version === undefined ? findProgram('postgres') : undefined;
  return onPath?.replace(/\/postgres$/, '');
}

const execFileAsync = promisify(execFile);

/**
 * Runs a program to its end and returns its standard output.
 * @param {string} program
 * @param {string[]} args
 */
export async function output(program, args) {
  const { stdout } = await execFileAsync(findProgram(program) ?? program, args, { maxBuffer: 64 << 20 });
  return stdout;
}

/**
 * Runs a program with this process's terminal; rejects when it fails.
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<void>}
 */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(findProgram(program) ?? program, args, { stdio: 'inherit', ...options });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ${args.join(' ')} ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}
