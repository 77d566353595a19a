// Runs a TypeScript program of test/ outside jest: one bundle of it and of what it imports from there.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../host/programs.mjs';
import { runCommand } from '../instance/arguments.mjs';
import { instanceNames } from '../instance/names.mjs';
import { root } from './root.mjs';
import { setUp } from './set-up.mjs';

/**
 * Sees to the build first. Ends this process with 1 where the program fails.
 * @param {string} name of the bundle
 * @param {string[]} source below the root
 * @param {string[]} programArguments
 */
export function runTypescript(name, source, programArguments) {
  return runCommand(async () => {
    await setUp(instanceNames({}), { forTests: true });
    const { build } = await import('esbuild');
    const outfile = join(root, '.cache', `${name}.mjs`);
    mkdirSync(join(root, '.cache'), { recursive: true });
    await build({
      entryPoints: [join(root, ...source)],
      outfile,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      // Kept as they are: packages are resolved from node_modules and the scripts from their own place.
      packages: 'external',
      plugins: [{ name: 'scripts-stay', setup: keepScriptsExternal }],
      logLevel: 'warning',
    });
    try {
      await run(process.execPath, [outfile, ...programArguments], { cwd: root });
    } catch {
      process.exit(1);
    }
  });
}

// The scripts find the repository by their own path, which they would lose inside a bundle.
function keepScriptsExternal(builder) {
  builder.onResolve({ filter: /\/scripts\/.*\.mjs$/ }, ({ path, resolveDir }) => ({
    path: join(resolveDir, path),
    external: true,
  }));
}
