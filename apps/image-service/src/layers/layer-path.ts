import { invalidArgument } from '@gantry/shared/errors';

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
      throw invalidArgument(
        `Error processing tar file: ${what} ${JSON.stringify(name)} is outside of the root`,
      );
    }
  }
  return components;
}
