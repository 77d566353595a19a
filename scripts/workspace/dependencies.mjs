// Whether node_modules holds what package-lock.json asks for.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../host/programs.mjs';
import { isRelease, root } from './root.mjs';

/**
 * Compares the lock file with the record npm keeps of what it installed. Optional packages may be absent (they are for
 * other platforms).
 * @returns {boolean}
 */
export function dependenciesAreCurrent() {
  if (isRelease) return true;
  let installed;
  try {
    installed = readPackages(join('node_modules', '.package-lock.json'));
  } catch {
    return false;
  }
  return Object.entries(readPackages('package-lock.json')).every(([path, wanted]) => {
    const found = installed[path];
    if (path === '' || wanted.link || !path.includes('node_modules/')) return true;
    return found
      ? found.version === wanted.version && found.integrity === wanted.integrity
      : wanted.optional === true;
  });
}

const readPackages = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;

/** `npm ci`, without the network traffic that is not for packages. */
export async function installDependencies() {
  await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root });
}
