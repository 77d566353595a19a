import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { tarOf } from '../support/busybox-image';
import { freshName } from '../support/containers';
import { api, instance } from '../support/engine';
import { eventually } from '../support/eventually';
import { imageArchive } from '../support/image-archive';
import { binarySize, gnuLong, pax, rawTar } from '../support/raw-tar';

const outside = mkdtempSync(join(tmpdir(), 'gantry-outside-'));
const victim = join(outside, 'victim');
const up = '../../../../../../../..';
const body = 'evil';

/** What lies in the data root of what an image can leave there. */
const files = () =>
  ['overlay2', 'overlay2/l', 'image/blobs/sha256', 'image/ingest']
    .flatMap((directory) =>
      readdirSync(join(instance.dataRoot, directory)).map((name) => `${directory}/${name}`),
    )
    .sort();

/** What was removed before may still be going. */
const expectNothingNew = (before: string[]) =>
  eventually(() => expect(files().filter((file) => !before.includes(file))).toEqual([]));

const message = (text: string) =>
  (JSON.parse(text.trim().split('\n').at(-1) ?? '{}') as { message?: string; error?: string }) ?? {};

beforeEach(() => {
  rmSync(outside, { recursive: true });
  mkdirSync(outside, { mode: 0o755 });
  writeFileSync(victim, 'untouched', { mode: 0o600 });
});
afterAll(() => rmSync(outside, { recursive: true }));

function expectUntouched(): void {
  expect(readFileSync(victim, 'utf8')).toBe('untouched');
  expect(statSync(victim).mode & 0o7777).toBe(0o600);
  expect(statSync(victim).nlink).toBe(1);
  expect(statSync(outside).mode & 0o7777).toBe(0o755);
  expect(readdirSync(outside)).toEqual(['victim']);
}

describe('a hostile layer changes nothing outside of it', () => {
  const link = { name: 'link', flag: '2', linkName: outside };
  const cases: [string, Buffer][] = [
    ['dots', rawTar([{ name: `${up}${victim}`, body }])],
    ['an absolute path', rawTar([{ name: victim, body }])],
    ['dots in the prefix', rawTar([{ prefix: `${up}${outside}`, name: 'victim', body }])],
    ['dots of PAX', rawTar([pax({ path: `${up}${victim}` }), { name: 'x', body }])],
    ['dots of PAX for all', rawTar([pax({ path: `${up}${victim}` }, { global: true }), { name: 'x', body }])],
    ["dots in GNU's long name", rawTar([gnuLong('L', `${up}${victim}`), { name: 'x', body }])],
    ['a file through a symlink', rawTar([link, { name: 'link/victim', body }])],
    [
      'a file through a symlink of dots',
      rawTar([
        { name: 'a/link', flag: '2', linkName: `${up}${outside}` },
        { name: 'a/link/victim', body },
      ]),
    ],
    [
      'a file through a symlink of PAX',
      rawTar([
        pax({ linkpath: outside }),
        { name: 'link', flag: '2', linkName: 'harmless' },
        { name: 'link/victim', body },
      ]),
    ],
    [
      "a file through a symlink of GNU's long link",
      rawTar([
        gnuLong('K', outside),
        { name: 'link', flag: '2', linkName: 'harmless' },
        { name: 'link/victim', body },
      ]),
    ],
    [
      'a file through two symlinks',
      rawTar([
        { name: 'one', flag: '2', linkName: 'two' },
        { name: 'two', flag: '2', linkName: outside },
        { name: 'one/victim', body },
      ]),
    ],
    ['a directory in the place of a symlink', rawTar([link, { name: 'link', flag: '5', mode: 0o777 }])],
    [
      'a file in the place of a symlink',
      rawTar([
        { ...link, linkName: victim },
        { name: 'link', body },
      ]),
    ],
    [
      'a hard link by dots, then written',
      rawTar([
        { name: 'hard', flag: '1', linkName: `${up}${victim}` },
        { name: 'hard', body },
      ]),
    ],
    ['a hard link by its whole path', rawTar([{ name: 'hard', flag: '1', linkName: victim }])],
    [
      'a hard link through a symlink',
      rawTar([link, { name: 'hard', flag: '1', linkName: 'link/victim' }, { name: 'hard', body }]),
    ],
    [
      'a hard link to a symlink, then written through',
      rawTar([
        { name: 'soft', flag: '2', linkName: victim },
        { name: 'hard', flag: '1', linkName: 'soft' },
        { name: 'hard', body },
      ]),
    ],
    ['a hard link of PAX', rawTar([pax({ linkpath: `${up}${victim}` }), { name: 'hard', flag: '1' }])],
    ['a whiteout by dots', rawTar([{ name: `${up}${outside}/.wh.victim` }])],
    ['a whiteout of the directory above', rawTar([{ name: '.wh...' }])],
    ['a whiteout through a symlink', rawTar([link, { name: 'link/.wh.victim' }])],
    ['an opaque directory through a symlink', rawTar([link, { name: 'link/.wh..wh..opq' }])],
    ['a device through a symlink', rawTar([link, { name: 'link/null', flag: '3', major: 1, minor: 3 }])],
    ['a FIFO through a symlink', rawTar([link, { name: 'link/pipe', flag: '6' }])],
    ['a symlink through a symlink', rawTar([link, { name: 'link/soft', flag: '2', linkName: '/' }])],
    [
      'an attribute through a symlink',
      rawTar([
        { ...link, linkName: victim },
        pax({ 'SCHILY.xattr.user.evil': 'x' }),
        { name: 'link', flag: '2', linkName: victim },
      ]),
    ],
  ];

  it.each(cases)('%s', async (_, layer) => {
    const repository = freshName('hostile');
    await api.post(`/images/create?fromSrc=-&repo=${repository}`, layer);
    expectUntouched();
    const { archive } = await imageArchive({ repoTag: `${repository}:loaded`, layers: [layer] });
    await api.post('/images/load', archive);
    expectUntouched();
    for (const tag of ['latest', 'loaded']) await api.delete(`/images/${repository}:${tag}?force=1`);
    expectUntouched();
  });
});

describe('a broken layer is refused, and leaves nothing', () => {
  const bomb = Buffer.concat(Array<Buffer>(300).fill(gzipSync(Buffer.alloc(1024 ** 2))));
  const cases: [string, Buffer, string][] = [
    ['a path of 4 KiB', rawTar([gnuLong('L', 'd/'.repeat(2200) + 'x'), { body }]), 'name too long'],
    ['a name of 300 bytes', rawTar([pax({ path: 'n'.repeat(300) }), { body }]), 'name too long'],
    ['a link to 5 KiB', rawTar([gnuLong('K', 'd'.repeat(5000)), { name: 'x', flag: '2' }]), 'name too long'],
    ['a name of 2 MiB', rawTar([gnuLong('L', 'd'.repeat(2 * 1024 ** 2)), { body }]), 'header field too long'],
    ['a name with a zero byte', rawTar([pax({ path: 'a\0b' }), { body }]), 'invalid tar header'],
    ['dots', rawTar([{ name: `${up}${victim}`, body }]), 'is outside of the root'],
    [
      'a hard link outside',
      rawTar([{ name: 'hard', flag: '1', linkName: `${up}${victim}` }]),
      'is outside of the root',
    ],
    [
      'a hard link to nothing',
      rawTar([{ name: 'hard', flag: '1', linkName: 'nothing' }]),
      'no such file or directory',
    ],
    ['a negative size', rawTar([{ name: 'x', size: binarySize(-512n) }]), 'invalid tar header'],
    ['a size beyond all numbers', rawTar([{ name: 'x', size: binarySize(1n << 80n) }]), 'invalid tar header'],
    ['a size beyond the archive', rawTar([{ name: 'x', size: binarySize(1n << 40n) }]), 'unexpected EOF'],
    ['a size of letters', rawTar([{ name: 'x', size: Buffer.from('0000000zzzz\0') }]), 'invalid tar header'],
    [
      'a size of PAX beyond all numbers',
      rawTar([pax({ size: '99999999999999999999' }), { name: 'x', body }]),
      'invalid tar header',
    ],
    ['a negative size of PAX', rawTar([pax({ size: '-1' }), { name: 'x', body }]), 'invalid tar header'],
    [
      'a size of PAX beyond the archive',
      rawTar([pax({ size: '99999' }), { name: 'x', body }]),
      'unexpected EOF',
    ],
    ['a user id of letters', rawTar([pax({ uid: 'root' }), { name: 'x', body }]), 'invalid tar header'],
    [
      'a record that lies about its length',
      rawTar([{ name: 'x', flag: 'x', body: '999 path=y\n' }]),
      'invalid tar',
    ],
    [
      'a record without an end',
      rawTar([{ name: 'x', flag: 'x', body: '12 path=yyyy' }]),
      'invalid tar header',
    ],
    ['a wrong checksum', rawTar([{ name: 'x', body, badChecksum: true }]), 'invalid tar header'],
    ['a sparse file', rawTar([{ name: 'x', flag: 'S', body }]), 'sparse files are not supported'],
    [
      'half a file',
      rawTar([{ name: 'x', body: 'y'.repeat(2000) }], false).subarray(0, 1024),
      'unexpected EOF',
    ],
    [
      'an attribute that overlayfs believes',
      rawTar([pax({ 'SCHILY.xattr.trusted.overlay.redirect': '/etc' }), { name: 'd', flag: '5' }]),
      'not allowed in a layer',
    ],
    ['no archive', Buffer.from('x'.repeat(2000)), 'invalid tar header'],
    ['a corrupt gzip', gzipSync(rawTar([{ name: 'x', body: 'y'.repeat(2000) }])).fill(0xff, 30), 'gzip'],
    ['half a gzip', gzipSync(rawTar([{ name: 'x', body: 'y'.repeat(2000) }])).subarray(0, 40), 'gzip'],
    [
      'a decompression bomb',
      Buffer.concat([gzipSync(rawTar([{ name: 'x', size: binarySize(1n << 33n) }], false)), bomb]),
      'decompression bomb',
    ],
  ];

  it.each(cases)('%s', async (_, layer, complaint) => {
    const name = freshName('broken');
    const { archive: good, id } = await imageArchive({
      repoTag: `${name}:1`,
      layers: [await tarOf([{ header: { name: 'f' }, body: Buffer.from(name) }])],
    });
    await api.post('/images/load', good);
    const images = await api.get('/images/json?all=1');
    const before = files();

    const imported = await api.post(`/images/create?fromSrc=-&repo=${name}&tag=1`, layer);
    expect(imported.status).toBe(400);
    expect(message(imported.text).message).toContain(complaint);
    expect(imported.text.length).toBeLessThan(500);

    const sound = await tarOf([{ header: { name: 'sound' }, body: Buffer.from('x') }]);
    const diffIds = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`];
    const { archive } = await imageArchive({ repoTag: `${name}:1`, layers: [layer, sound], diffIds });
    const loaded = await api.post('/images/load?quiet=1', archive);
    expect(loaded.status).toBe(200);
    expect(message(loaded.text).error).toMatch(new RegExp(`${complaint}|invalid diffID for layer`));

    expectUntouched();
    expect((await api.get<{ Id: string }>(`/images/${name}:1/json`)).body.Id).toBe(id);
    expect((await api.get('/images/json?all=1')).text).toBe(images.text);
    await expectNothingNew(before);
    await api.delete(`/images/${name}:1`);
  });

  it('but device nodes are allowed, as in dockerd', async () => {
    const name = freshName('devices');
    const layer = rawTar([
      { name: 'dev', flag: '5', mode: 0o755 },
      { name: 'dev/null', flag: '3', major: 1, minor: 3, mode: 0o666 },
      { name: 'dev/loop', flag: '4', major: 7, minor: 0 },
    ]);
    const imported = await api.post(`/images/create?fromSrc=-&repo=${name}`, layer);
    expect(imported.status).toBe(200);
    const image = await api.get<{ GraphDriver: { Data: { UpperDir: string } } }>(`/images/${name}/json`);
    const upper = image.body.GraphDriver.Data.UpperDir;
    expect(lstatSync(join(upper, 'dev/null')).isCharacterDevice()).toBe(true);
    expect(lstatSync(join(upper, 'dev/loop')).isBlockDevice()).toBe(true);
    await api.delete(`/images/${name}`);
  });
});

describe('a hostile archive of images', () => {
  it.each([
    ['the configuration', { config: `${up}${victim}`, layer: 'layer.tar' }],
    ['a layer', { config: 'config.json', layer: `${up}${victim}` }],
    ['a symlink as a layer', { config: 'config.json', layer: 'link' }],
    ['a symlink as the configuration', { config: 'link', layer: 'layer.tar' }],
    ['a symlink to a symlink to itself', { config: 'loop', layer: 'layer.tar' }],
  ])('that names a file outside as %s', async (_, { config, layer }) => {
    const manifest = [{ Config: config, RepoTags: ['hostile:archive'], Layers: [layer] }];
    const document = {
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] },
      config: {},
    };
    const archive = rawTar([
      { name: 'config.json', body: JSON.stringify(document) },
      { name: 'layer.tar', body: rawTar([{ name: 'f', body }]) },
      { name: 'link', flag: '2', linkName: victim },
      { name: 'loop', flag: '2', linkName: 'pool' },
      { name: 'pool', flag: '2', linkName: 'loop' },
      { name: 'manifest.json', body: JSON.stringify(manifest) },
    ]);
    const before = files();
    const answer = await api.post('/images/load', archive);
    expect(answer.status).toBe(200);
    expect(message(answer.text).error).not.toBe(undefined);
    expect(answer.text).not.toContain('untouched');
    expect((await api.get('/images/hostile:archive/json')).status).toBe(404);
    await expectNothingNew(before);
    expect(existsSync(victim)).toBe(true);
  });

  it('that decompresses to more than it could hold', async () => {
    const before = files();
    const bomb = Buffer.concat(Array<Buffer>(300).fill(gzipSync(Buffer.alloc(1024 ** 2))));
    const answer = await api.post('/images/load', bomb);
    expect(answer.status).toBe(200);
    expect(message(answer.text).error).toContain('decompression bomb');
    await expectNothingNew(before);
  });
});
