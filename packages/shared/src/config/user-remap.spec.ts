import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadUserRemap } from './user-remap';

describe('loadUserRemap', () => {
  let etc: string;

  beforeEach(() => {
    etc = mkdtempSync(join(tmpdir(), 'gantry-etc-'));
    writeFileSync(join(etc, 'passwd'), 'root:x:0:0::/:\nann:x:1000:1000::/:\n');
    writeFileSync(join(etc, 'group'), 'staff:x:50:\nann:x:1000:\n');
    writeFileSync(join(etc, 'subuid'), 'dockremap:100000:65536\nann:500000:1000\nann:300000:65536\n7:1:x\n');
    writeFileSync(
      join(etc, 'subgid'),
      '# groups\ndockremap:100000:65536\n50:700000:65536\nann:300000:65536\n',
    );
  });

  afterEach(() => rmSync(etc, { recursive: true }));

  it('takes the ranges of dockremap by default', () => {
    const { mapping, namespace, directory } = loadUserRemap('default', '/run/x', etc);
    const range = { container: 0, host: 100000, size: 65536 };
    expect(mapping).toEqual({ uids: [range], gids: [range] });
    expect(namespace).toBe(`${directory}/user`);
    expect(directory).toMatch(/^\/run\/x\/remapped\/[0-9a-f]{12}$/);
  });

  it('joins the ranges of one user, the lowest first, and knows accounts by name and number', () => {
    const { mapping } = loadUserRemap('1000:staff', '/run/x', etc);
    expect(mapping.uids).toEqual([
      { container: 0, host: 300000, size: 65536 },
      { container: 65536, host: 500000, size: 1000 },
    ]);
    expect(mapping.gids).toEqual([{ container: 0, host: 700000, size: 65536 }]);
  });

  it('takes a range as it is', () => {
    const range = { container: 0, host: 200000, size: 65536 };
    expect(loadUserRemap('200000+65536', '/run/x', etc).mapping).toEqual({ uids: [range], gids: [range] });
  });

  it('has another directory for another mapping', () => {
    const [one, other] = ['default', 'ann'].map((user) => loadUserRemap(user, '/run/x', etc).directory);
    expect(one).not.toBe(other);
  });

  it.each([
    ['nobody', 'no subuid ranges found for "nobody"'],
    ['ann:nogroup', 'no subgid ranges found for "nogroup"'],
    ['a:b:c', 'invalid user and group: a:b:c'],
    [':x', 'invalid user and group: :x'],
  ])('refuses %s', (setting, error) => {
    expect(() => loadUserRemap(setting, '/run/x', etc)).toThrow(error);
  });
});
