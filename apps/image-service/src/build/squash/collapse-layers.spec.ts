import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createLinux } from '@gantry/shared/linux';
import { OPAQUE_XATTR } from '../../layers/whiteout';
import { collapseLayers } from './collapse-layers';

const linux = createLinux();

describe('layers that become one', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'collapse-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  const tree = (root: string, files: Record<string, string> = {}): string => {
    const path = join(directory, root);
    mkdirSync(path);
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(join(path, dirname(name)), { recursive: true });
      writeFileSync(join(path, name), content);
    }
    return path;
  };

  it('a directory in the place of a link has nothing to do with what the link led to on the host', () => {
    const host = tree('host', { 'sub/secret': '' });
    const below = tree('below');
    symlinkSync(host, join(below, 'a'));
    const layer = tree('layer', { 'a/sub/new': 'new' });
    linux.files.setXattr(join(layer, 'a'), OPAQUE_XATTR, Buffer.from('y'));
    linux.files.setXattr(join(layer, 'a/sub'), OPAQUE_XATTR, Buffer.from('y'));
    const whole = tree('whole', { 'a/sub/new': 'new' });
    const upper = tree('upper');
    collapseLayers(linux, { layers: [layer], below, whole }, upper);
    expect(readdirSync(join(upper, 'a', 'sub'))).toEqual(['new']);
  });
});
