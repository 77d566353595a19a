import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { flagsOf } from '../support/cli-flags';

/** Every flag that the installed docker CLI offers has a check in one of the specs beside this one. */
describe('the flags of the stock CLI', () => {
  const texts = (pattern: RegExp) =>
    readdirSync(__dirname)
      .filter((name) => pattern.test(name))
      .map((name) => readFileSync(join(__dirname, name), 'utf8'))
      .join('\n');
  const unchecked = (command: string, specs: string) =>
    [...flagsOf(command)].filter((flag) => !new RegExp(`${flag}(?![a-z0-9-])`).test(specs));

  it('docker run', () => {
    expect(unchecked('run', texts(/^(run-flags-.*|mounts)\.spec\.ts$/))).toEqual([]);
  });

  it('docker update', () => {
    expect(unchecked('update', texts(/^update-flags\.spec\.ts$/))).toEqual([]);
  });
});
