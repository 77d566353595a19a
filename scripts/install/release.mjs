// What a host needs of Gantry to run it: no sources, no compiler, nothing of npm but what is not in the bundles.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SERVICES, SERVICES_WITH_TABLES } from '../instance/names.mjs';
import { root } from '../workspace/root.mjs';

/** Where releases stand beside each other until the new one runs. */
export const RELEASES = '/usr/local/lib/gantry';

/** Packages that stay outside the bundles (scripts/bundle-service.mjs), and what the migrations speak to PostgreSQL with. */
const PACKAGES = ['koffi', 'pg'];

/**
 * Copies the built tree.
 * @param {string} [into]
 * @returns {string} the release's directory
 */
export function makeRelease(into = RELEASES) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const directory = join(into, `${version}-${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}`);
  const making = `${directory}.part`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true });
  const copies = [
    'package.json',
    'LICENSE',
    'scripts',
    ...SERVICES.map((service) => join('apps', service, 'dist')),
    ...SERVICES_WITH_TABLES.map((service) => join('apps', service, 'prisma', 'migrations')),
    ...closureOf(PACKAGES).map((name) => join('node_modules', name)),
  ];
  for (const path of copies) {
    cpSync(join(root, path), join(making, path), {
      recursive: true,
      filter: (file) => !file.endsWith('.spec.ts'),
    });
  }
  renameSync(making, directory);
  return directory;
}

/** Removes the releases beside this one. */
export function removeOtherReleases(directory, of = RELEASES) {
  for (const name of existsSync(of) ? readdirSync(of) : []) {
    if (join(of, name) !== directory) rmSync(join(of, name), { recursive: true, force: true });
  }
}

/** The packages and all that they depend on; of optional ones, what npm has installed. */
function closureOf(names) {
  const found = new Set();
  const add = (name) => {
    const file = join(root, 'node_modules', name, 'package.json');
    if (found.has(name) || !existsSync(file)) return;
    found.add(name);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(file, 'utf8'));
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) add(needed);
  };
  names.forEach(add);
  return [...found];
}
