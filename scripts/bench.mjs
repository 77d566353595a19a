// bench.mjs NAME --against unix:///path.sock[,...]: sees to the build, then runs test/bench/NAME.ts.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './host/programs.mjs';
import { runCommand } from './instance/arguments.mjs';
import { instanceNames } from './instance/names.mjs';
import { root } from './workspace/root.mjs';
import { setUp } from './workspace/set-up.mjs';

const [name, ...options] = process.argv.slice(2);

await runCommand(async () => {
  await setUp(instanceNames({}), { forTests: true });
  const { build } = await import('esbuild');
  const outfile = join(root, '.cache', `bench-${name}.mjs`);
  mkdirSync(join(root, '.cache'), { recursive: true });
  await build({
    entryPoints: [join(root, 'test', 'bench', `${name}.ts`)],
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
    await run(process.execPath, [outfile, ...options], { cwd: root });
  } catch {
    process.exit(1);
  }
});

// The scripts find the repository by their own path, which they would lose inside a bundle.
function keepScriptsExternal(builder) {
  builder.onResolve({ filter: /\/scripts\/.*\.mjs$/ }, ({ path, resolveDir }) => ({
    path: join(resolveDir, path),
    external: true,
  }));
}
