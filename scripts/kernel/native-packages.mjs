// The npm packages of this repository that are programs of one architecture, for a machine of another one.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../host/programs.mjs';
import { root } from '../workspace/root.mjs';

/**
 * Installs into `directory`/node_modules what package-lock.json has for that architecture only.
 * @param {string} architecture as in `process.arch`
 * @param {string} directory
 */
export async function installNativePackages(architecture, directory) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wanted = Object.entries(packages).filter(
    ([, { cpu, os, libc = ['glibc'] }]) =>
      cpu?.includes(architecture) && os?.includes('linux') && libc.includes('glibc'),
  );
  await run('npm', [
    ...['install', '--silent', '--no-save', '--no-package-lock', '--ignore-scripts', '--force'],
    ...['--prefix', directory, '--os=linux', `--cpu=${architecture}`, '--libc=glibc'],
    ...wanted.map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')}@${version}`),
  ]);
  // It would stand for the host's own, by which `npm start` sees whether all is installed.
  rmSync(join(directory, 'node_modules', '.package-lock.json'));
}
