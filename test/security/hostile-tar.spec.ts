import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tarOf } from '../support/busybox-image';
import { api } from '../support/engine';
import { freshName } from '../support/containers';
import { imageArchive } from '../support/image-archive';

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
    const layer = await tarOf(entries);
    await api.post(`/images/create?fromSrc=-&repo=${repository}`, layer);
    const { archive } = await imageArchive({ repoTag: `${repository}:loaded`, layers: [layer] });
    await api.post('/images/load', archive);
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
    expect(existsSync(join(outside, 'null'))).toBe(false);
    for (const tag of ['latest', 'loaded']) await api.delete(`/images/${repository}:${tag}?force=1`);
  });

  it.each([
    ['the configuration', { config: `../../../../../../../..${victim}`, layer: 'layer.tar' }],
    ['a layer', { config: 'config.json', layer: `../../../../../../../..${victim}` }],
    ['a symlink as a layer', { config: 'config.json', layer: 'link' }],
  ])('an archive that names a file outside as %s', async (_, { config, layer }) => {
    const manifest = [{ Config: config, RepoTags: ['hostile:archive'], Layers: [layer] }];
    const document = {
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [] },
      config: {},
    };
    const archive = await tarOf([
      { header: { name: 'config.json' }, body: Buffer.from(JSON.stringify(document)) },
      { header: { name: 'layer.tar' }, body: await tarOf([{ header: { name: 'f' }, body }]) },
      { header: { name: 'link', type: 'symlink', linkname: victim } },
      { header: { name: 'manifest.json' }, body: Buffer.from(JSON.stringify(manifest)) },
    ]);
    const answer = await api.post('/images/load', archive);
    expect(answer.status >= 400 || answer.text.includes('errorDetail')).toBe(true);
    expect(answer.text).not.toContain('untouched');
    expect((await api.get('/images/hostile:archive/json')).status).toBe(404);
  });
});
