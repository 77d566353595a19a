import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tarOf } from '../support/busybox-image';
import { api } from '../support/engine';
import { freshName } from '../support/containers';

describe('a hostile tar changes nothing outside its layer', () => {
  const outside = mkdtempSync(join(tmpdir(), 'gantry-outside-'));
  const victim = join(outside, 'victim');
  const body = Buffer.from('evil');
  beforeEach(() => writeFileSync(victim, 'untouched'));
  afterAll(() => rmSync(outside, { recursive: true }));

  it.each([
    ['..', [{ header: { name: `../../../../../../../..${victim}` }, body }]],
    ['an absolute path', [{ header: { name: victim }, body }]],
    [
      'a symlink, then a file through it',
      [
        { header: { name: 'link', type: 'symlink' as const, linkname: outside } },
        { header: { name: 'link/victim' }, body },
      ],
    ],
    [
      'a symlink of dots, then a file through it',
      [
        {
          header: { name: 'a/link', type: 'symlink' as const, linkname: `../../../../../../../..${outside}` },
        },
        { header: { name: 'a/link/victim' }, body },
      ],
    ],
    [
      'a hard link to outside, then written',
      [
        { header: { name: 'hard', type: 'link' as const, linkname: `../../../../../../../..${victim}` } },
        { header: { name: 'hard' }, body },
      ],
    ],
    [
      'a whiteout of outside',
      [{ header: { name: `../../../../../../../..${outside}/.wh.victim` }, body: Buffer.alloc(0) }],
    ],
    [
      'a device node through a symlink',
      [
        { header: { name: 'link', type: 'symlink' as const, linkname: outside } },
        { header: { name: 'link/null', type: 'character-device' as const, devmajor: 1, devminor: 3 } },
      ],
    ],
  ])('%s', async (_, entries) => {
    const repository = freshName('hostile');
    await api.post(`/images/create?fromSrc=-&repo=${repository}`, await tarOf(entries));
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
    expect(existsSync(join(outside, 'null'))).toBe(false);
    await api.delete(`/images/${repository}?force=1`);
  });
});
