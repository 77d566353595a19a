// Whether containers can have their layers below a directory: overlayfs is tried there, since what a file system must have for
// it (types in its directories, extended attributes, whiteouts) is not to be seen from its name.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from './programs.mjs';

/**
 * @param {string} directory exists
 * @returns {string | undefined} what is wrong, for a person; undefined: nothing
 */
export function overlayProblem(directory) {
  let place;
  try {
    place = mkdtempSync(join(directory, '.overlay-probe-'));
    return tryIn(place, directory);
  } catch (error) {
    return error.message;
  } finally {
    if (place !== undefined) rmSync(place, { recursive: true });
  }
}

function tryIn(place, directory) {
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => join(place, name));
  for (const each of [lower, upper, work, merged]) mkdirSync(each);
  writeFileSync(join(lower, 'file'), '');
  const options = `lowerdir=${lower.replace(/[\\,:]/g, '\\$&')},upperdir=${escape(upper)},workdir=${escape(work)}`;
  try {
    program('mount', ['-i', '-t', 'overlay', '-o', options, 'overlay', merged]);
  } catch (error) {
    return `the kernel mounts no overlay on the file system of ${directory} (${error.stderr?.trim().split('\n')[0] ?? error.message})`;
  }
  try {
    unlinkSync(join(merged, 'file'));
    return readdirSync(merged).length === 0
      ? undefined
      : `what is deleted stays in sight on the file system of ${directory}: it has no types in its directories (d_type; xfs has to be made with -n ftype=1)`;
  } finally {
    program('umount', [merged]);
  }
}

const escape = (path) => path.replace(/[\\,]/g, '\\$&');

function program(name, args) {
  execFileSync(findProgram(name) ?? name, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
}
