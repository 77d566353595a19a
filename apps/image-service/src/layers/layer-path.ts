import { invalidArgument } from '@gantry/shared/errors';

/** Characters. */
const MAX_SHOWN = 200;

/**
 * A name of an archive as components below the layer's root: absolute names are taken as below it, `.` and inner `..` are
 * resolved by their letters. `[]` is the root itself.
 * @throws InvalidArgument for a name that leaves the root.
 */
export function componentsOf(name: string, what = 'name'): string[] {
  const components: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') components.push(part);
    else if (components.pop() === undefined) {
      throw invalidArgument(`Error processing tar file: ${what} ${shown(name)} is outside of the root`);
    }
  }
  return components;
}

/** A name in a message: an archive may give one of a megabyte. */
export function shown(name: string): string {
  return JSON.stringify(name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}...` : name);
}
