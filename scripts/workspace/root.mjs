import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's directory. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Not a working tree but what `gantry install` made of one: there is nothing to build it from. */
export const isRelease = !existsSync(join(root, 'package-lock.json'));
