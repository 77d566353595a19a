// The rules between the parts, checked on every import of apps/ and packages/:
// - an app imports no other app, nor another app's Prisma client, nor a package's folder by path;
// - the packages import no app;
// - only packages/shared/src/linux makes system calls (koffi) or starts host programs (child_process).
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const IMPORT = /\b(?:from|import|require)\s*\(?\s*(['"])([^'"]+)\1/g;
const SYSTEM_MODULES = /^(koffi|(node:)?child_process)$/;

/**
 * @param {string} file path in the repository, e.g. `apps/image-service/src/main.ts`
 * @param {string} text its content
 * @returns {string[]} one line a violation
 */
export function violationsIn(file, text) {
  const own = partOf(file);
  const found = [];
  for (const [, , module] of text.matchAll(IMPORT)) {
    const target = targetOf(file, module);
    if (target !== undefined && target !== own) {
      found.push(`${file}: ${own} imports ${target} (${module})`);
    }
    if (SYSTEM_MODULES.test(module) && !file.startsWith('packages/shared/src/linux/')) {
      found.push(`${file}: only packages/shared/src/linux may import ${module}`);
    }
  }
  return found;
}

const partOf = (path) => path.split('/').slice(0, 2).join('/');

// Where an import leads that leaves its part by path, or names an app as a package.
function targetOf(file, module) {
  if (module.startsWith('.')) return partOf(relative('/', resolve('/', dirname(file), module)));
  const name = /^@gantry\/([^/]+)/.exec(module)?.[1];
  return name !== undefined && name !== 'shared' && name !== 'proto' ? `apps/${name}` : undefined;
}

function* sourceFiles(root, folder) {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!['node_modules', 'dist', 'generated', '.turbo'].includes(entry.name))
        yield* sourceFiles(root, path);
    } else if (/\.[cm]?[jt]s$/.test(entry.name) && !/\.(spec|fixture)\.ts$/.test(entry.name)) {
      yield path;
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const violations = ['apps', 'packages'].flatMap((folder) =>
    [...sourceFiles(root, folder)].flatMap((file) =>
      violationsIn(file, readFileSync(join(root, file), 'utf8')),
    ),
  );
  for (const violation of violations) process.stderr.write(`${violation}\n`);
  if (violations.length > 0) process.exitCode = 1;
}
