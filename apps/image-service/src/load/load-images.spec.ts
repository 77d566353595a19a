import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { platformOfJson, type Platform } from '../images/image-config';
import { ImageNode } from '../images/image-node.fixture';
import { IMAGE_SETTINGS, loadImageSettings } from '../image-settings';
import { OCI_CONFIG, OCI_MANIFEST } from '../manifests/media-types';
import { ArchiveMaker, configOf, layerOf, namedAs, pathOf } from './archive.fixture';
import { LoadImages } from './load-images';

const HOST = 'amd64';
const OTHERS = ['arm64', 's390x'];

let node: ImageNode;
let made: ArchiveMaker;
const lines: unknown[] = [];

beforeAll(async () => {
  const settings = loadImageSettings({ GANTRY_LAYER_MAX_BYTES: String(2 * 1024 ** 2) });
  node = await ImageNode.start([{ provide: IMAGE_SETTINGS, useValue: settings }]);
});
afterAll(() => node.stop());
beforeEach(() => {
  made = new ArchiveMaker();
  lines.splice(0);
});
afterEach(() => node.empty());

async function load(
  archive: Buffer,
  { platforms = [] as Platform[], quiet = true, signal = new AbortController().signal } = {},
): Promise<void> {
  const path = join(node.dataRoot, 'archive.tar');
  writeFileSync(path, archive);
  await node.app
    .get(LoadImages)
    .load(path, { quiet, platforms }, async (line) => void lines.push(line), signal);
}

const text = () => lines.map((line) => (line as { stream?: string }).stream ?? '').join('');
const platform = (architecture: string) => platformOfJson(JSON.stringify({ os: 'linux', architecture }))!;
const files = () =>
  ['overlay2', 'overlay2/l', 'image/blobs/sha256', 'image/ingest'].flatMap((directory) =>
    readdirSync(join(node.dataRoot, directory))
      .filter((name) => !name.startsWith('.removing-'))
      .map((name) => `${directory}/${name}`),
  );

describe('what can be loaded', () => {
  const through =
    (program: string, ...flags: string[]) =>
    (bytes: Buffer) =>
      execFileSync(program, ['-c', ...flags], { input: bytes });

  test.each<[string, (bytes: Buffer) => Buffer]>([
    ['plain', (bytes) => bytes],
    ['gzip', (bytes) => gzipSync(bytes)],
    ['zstd', through('zstd', '-q')],
    ['xz', through('xz')],
    ['bzip2', through('bzip2')],
  ])('an OCI layout that is %s, as are its layers', async (_title, pack) => {
    const { manifest, config } = made.image('a', { layer: pack });
    await load(pack(made.layout([namedAs(manifest, 'docker.io/library/a:1')]).tar()));
    expect(text()).toBe('Loaded image: a:1\n');
    expect((await node.inspect('a:1')).Id).toBe(config.digest);
  });

  test('names from the annotation of OCI; an image without any is told by its id', async () => {
    const named = made.image('a').manifest;
    const unnamed = made.image('b');
    const reference = 'org.opencontainers.image.ref.name';
    made.layout([
      { ...named, annotations: { [reference]: 'a:1' } },
      { ...unnamed.manifest, annotations: { [reference]: 'latest' } },
    ]);
    await load(made.tar());
    expect(text()).toBe(`Loaded image: a:1\nLoaded image ID: ${unnamed.config.digest}\n`);
  });

  test('a docker-archive whose equal layers are links, as Docker used to write it', async () => {
    const layer = layerOf('a');
    made.file('one/layer.tar', layer);
    made.link('two/layer.tar', '../one/layer.tar');
    made.file('config.json', JSON.stringify(configOf([layer, layer])));
    made.docker([{ Config: 'config.json', RepoTags: ['a:1'], Layers: ['one/layer.tar', 'two/layer.tar'] }]);
    await load(made.tar());
    expect((await node.inspect('a:1')).RootFS.Layers).toHaveLength(2);
  });

  test('both in one, as Docker writes it', async () => {
    const { manifest, config, layer } = made.image('a');
    made.layout([namedAs(manifest, 'docker.io/library/a:1'), namedAs(manifest, 'docker.io/library/a:2')]);
    made.docker([{ Config: pathOf(config), RepoTags: ['a:1', 'a:2'], Layers: [pathOf(layer)] }]);
    await load(made.tar(), { quiet: false });
    expect(text()).toBe('Loaded image: a:1\nLoaded image: a:2\n');
    const id = (await node.inspect('a:1')).RootFS.Layers?.[0]?.slice(7, 19);
    expect(lines[0]).toMatchObject({ status: 'Loading layer', progressDetail: { current: 0 }, id });
  });

  test('names of manifest.json only, where the index has none', async () => {
    const { manifest, config, layer } = made.image('a');
    made.layout([manifest]).docker([{ Config: pathOf(config), RepoTags: ['a:1'], Layers: [pathOf(layer)] }]);
    await load(made.tar());
    expect(text()).toBe('Loaded image: a:1\n');
  });

  test('a name that meant another image', async () => {
    const before = await node.importImage('a:1');
    await load(made.layout([namedAs(made.image('a').manifest, 'a:1')]).tar());
    expect(text()).toBe(
      `The image a:1 already exists, renaming the old one with ID ${before} to empty string\nLoaded image: a:1\n`,
    );
  });
});

test('an image that does not say when it was made', async () => {
  const config = made.json(OCI_CONFIG, { ...configOf([]), created: null });
  made.layout([made.json(OCI_MANIFEST, { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] })]);
  await load(made.tar());
  expect(await node.inspect(config.digest)).not.toHaveProperty('Created');
  expect(await node.list({}, true)).toMatchObject([{ Id: config.digest, Created: 0 }]);
});

describe('platforms', () => {
  const ids = async () => (await node.list({}, true)).map(({ Id }) => Id).sort();

  function several(): Record<string, string> {
    const images = [...OTHERS, HOST].map(
      (architecture) => [architecture, made.image(architecture, { architecture })] as const,
    );
    const attestation = {
      ...made.image('attestation').manifest,
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': 'x',
      },
    };
    const gone = { mediaType: OCI_MANIFEST, digest: `sha256:${'0'.repeat(64)}`, size: 1 };
    const nested = made.index([...images.map(([, { manifest }]) => manifest), attestation, gone]);
    made.layout([namedAs(made.index([nested]), 'docker.io/library/a:1')]);
    return Object.fromEntries(images.map(([architecture, { config }]) => [architecture, config.digest]));
  }

  test("the host's of a nested index", async () => {
    const known = several();
    await load(made.tar());
    expect(await ids()).toEqual([known[HOST]]);
  });

  test('leaves out those of other systems', async () => {
    const here = made.image('linux');
    const windows = made.image('windows', { os: 'windows' });
    made.layout([namedAs(made.index([windows.manifest, here.manifest]), 'docker.io/library/a:1')]);
    await load(made.tar());
    expect(await ids()).toEqual([here.config.digest]);
  });

  test('refuses what is for another system alone', async () => {
    made.layout([made.image('windows', { os: 'windows' }).manifest]);
    await expect(load(made.tar())).rejects.toMatchObject({
      kind: 'InvalidArgument',
      message: 'cannot load windows image on linux',
    });
  });

  test('those that are asked for', async () => {
    const known = several();
    await load(made.tar(), { platforms: OTHERS.map(platform) });
    expect(await ids()).toEqual(OTHERS.map((one) => known[one]).sort());
    expect((await node.inspect('a:1')).Id).toBe(known[OTHERS[0] ?? '']);
  });

  test('refuses one that is not there', async () => {
    several();
    await expect(load(made.tar(), { platforms: [platform('riscv64')] })).rejects.toMatchObject({
      kind: 'NotFound',
      message: 'requested platform (linux/riscv64) not found in the archive',
    });
  });
});

describe('what is refused leaves nothing and moves no name', () => {
  const broken: [string, string | RegExp, () => Buffer][] = [
    ['no archive', 'archive/tar: invalid tar header', () => Buffer.alloc(1024, 'x')],
    ['an archive of something else', 'does not contain a manifest.json', () => layerOf('a')],
    [
      'half an archive',
      'unexpected EOF',
      () =>
        made
          .layout([made.image('a').manifest])
          .tar()
          .subarray(0, 2048),
    ],
    [
      'a second image that is broken',
      'no layer blobs',
      () => {
        const good = namedAs(made.image('a').manifest, 'a:1');
        const bad = made.image('b');
        made.members.delete(pathOf(bad.layer));
        return made.layout([good, bad.manifest]).tar();
      },
    ],
    [
      'a layer of other bytes',
      'filesystem layer verification failed',
      () => {
        const { manifest, layer } = made.image('a');
        made.file(pathOf(layer), layerOf('b'));
        return made.layout([namedAs(manifest, 'a:1')]).tar();
      },
    ],
    [
      'a second layer that the configuration does not mean',
      'invalid diffID for layer',
      () => {
        const [one, two] = [layerOf('one'), layerOf('two')];
        made.file('c', JSON.stringify(configOf([one, layerOf('three')])));
        made.file('1', one);
        made.file('2', two);
        return made.docker([{ Config: 'c', RepoTags: ['a:1'], Layers: ['1', '2'] }]).tar();
      },
    ],
    [
      'a configuration of other bytes',
      'not what it is called',
      () => {
        const { manifest, config } = made.image('a');
        made.file(pathOf(config), JSON.stringify(configOf([layerOf('b')])).padEnd(config.size));
        return made.layout([manifest]).tar();
      },
    ],
    [
      'a configuration in a docker-archive that is not what its name promises',
      'not what it is called',
      () => {
        made.file(`blobs/sha256/${'a'.repeat(64)}`, JSON.stringify(configOf([])));
        return made.docker([{ Config: `blobs/sha256/${'a'.repeat(64)}`, Layers: [] }]).tar();
      },
    ],
    [
      'a size that is a lie',
      'bytes, not the',
      () => {
        const { manifest } = made.image('a');
        return made.layout([{ ...manifest, size: manifest.size + 1 }]).tar();
      },
    ],
    [
      'a manifest that is an index as well',
      'ambiguous manifest',
      () => {
        const { manifest, config } = made.image('a');
        const both = { schemaVersion: 2, config, layers: [], manifests: [manifest] };
        return made.layout([made.json(OCI_MANIFEST, both)]).tar();
      },
    ],
    [
      'an index that says the same again and again',
      'too many manifests',
      () => {
        let index = made.image('a').manifest;
        for (let level = 0; level < 3; level++) index = made.index(Array(500).fill(index) as object[]);
        return made.layout([index]).tar();
      },
    ],
    [
      'an index within an index within an index, and so on',
      'too many levels',
      () => {
        let index = made.image('a').manifest;
        for (let level = 0; level < 6; level++) index = made.index([index]);
        return made.layout([index]).tar();
      },
    ],
    [
      'a layer of no known type',
      'unsupported media type of a layer',
      () => {
        const { config, layer } = made.image('a');
        const layers = [{ ...layer, mediaType: 'application/octet-stream' }];
        return made.layout([made.json(OCI_MANIFEST, { schemaVersion: 2, config, layers })]).tar();
      },
    ],
    [
      'an index.json that is a manifest',
      'ambiguous manifest',
      () => {
        const { config, layer } = made.image('a');
        made.file('index.json', JSON.stringify({ schemaVersion: 2, manifests: [], config, layers: [layer] }));
        return made.tar();
      },
    ],
    [
      'a manifest of schema 1',
      'schema 1',
      () => made.layout([made.json(OCI_MANIFEST, { schemaVersion: 1, fsLayers: [] })]).tar(),
    ],
    [
      'a name that is none',
      'invalid reference format',
      () => made.layout([namedAs(made.image('a').manifest, 'A:b:c')]).tar(),
    ],
    [
      'a name with a digest',
      'refusing to create a tag with a digest reference',
      () => made.layout([namedAs(made.image('a').manifest, `a@sha256:${'0'.repeat(64)}`)]).tar(),
    ],
    [
      'fewer layers than the configuration',
      'layers length mismatch: expected 0, got 1',
      () => made.docker([{ Config: pathOf(made.image('a').config), RepoTags: ['a:1'], Layers: [] }]).tar(),
    ],
    [
      'a configuration that is too large',
      'is too large',
      () => {
        made.file('c', Buffer.alloc(17 * 1024 ** 2, ' '));
        return made.docker([{ Config: 'c', Layers: [] }]).tar();
      },
    ],
    [
      'a layer from outside of the archive',
      'no layer ../../../etc/passwd in it',
      () => {
        made.file('c', JSON.stringify(configOf([layerOf('a')])));
        made.link('l', '/etc/passwd');
        return made.docker([{ Config: 'c', RepoTags: ['a:1'], Layers: ['../../../etc/passwd'] }]).tar();
      },
    ],
    [
      'a layer that is a decompression bomb',
      'layer is too large: more than 2097152 bytes unpacked',
      () => {
        const bomb = Buffer.alloc(8 * 1024 ** 2);
        made.file('l', gzipSync(Buffer.concat([layerOf('a').subarray(0, 1024), bomb])));
        made.file('c', JSON.stringify(configOf([layerOf('a')])));
        return made.docker([{ Config: 'c', RepoTags: ['a:1'], Layers: ['l'] }]).tar();
      },
    ],
    [
      'an archive that is a decompression bomb',
      'archive is too large: more than 2097152 bytes unpacked',
      () => gzipSync(Buffer.alloc(16 * 1024 ** 2)),
    ],
    ['a corrupt gzip', 'gzip: invalid data', () => gzipSync(layerOf('a')).fill(0xff, 20)],
    ['a corrupt xz', 'xz:', () => Buffer.concat([Buffer.from('fd377a585a00', 'hex'), Buffer.alloc(64)])],
  ];

  const disagreeing: [string, (a: Sides, b: Sides) => Buffer][] = [
    ['about the image', (a, b) => made.layout([a.oci]).docker([b.docker]).tar()],
    ['about the images', (a, b) => made.layout([a.oci, b.oci]).docker([a.docker]).tar()],
    [
      'about what a name means',
      (a, b) =>
        made
          .layout([a.oci, b.oci])
          .docker([
            { ...a.docker, RepoTags: ['b:1'] },
            { ...b.docker, RepoTags: ['a:1'] },
          ])
          .tar(),
    ],
    [
      'about the names',
      (a) =>
        made
          .layout([a.oci])
          .docker([{ ...a.docker, RepoTags: [] }])
          .tar(),
    ],
  ];

  interface Sides {
    oci: object;
    docker: { Config: string; RepoTags: string[]; Layers: string[] };
  }

  function sides(name: string): Sides {
    const { manifest, config, layer } = made.image(name);
    return {
      oci: namedAs(manifest, `docker.io/library/${name}:1`),
      docker: { Config: pathOf(config), RepoTags: [`${name}:1`], Layers: [pathOf(layer)] },
    };
  }

  const cases = [
    ...broken,
    ...disagreeing.map(([title, make]): (typeof broken)[number] => [
      `documents that disagree ${title}`,
      'manifest.json and index.json disagree',
      () => make(sides('a'), sides('b')),
    ]),
  ];

  test.each(cases)('%s', async (_title, message, make) => {
    const before = await node.importImage('a:1');
    const there = files().sort();
    await expect(load(make())).rejects.toMatchObject({
      kind: 'InvalidArgument',
      message: expect.stringMatching(new RegExp(String(message).replace(/[()]/g, '\\$&'))) as string,
    });
    expect((await node.inspect('a:1')).Id).toBe(before);
    expect(await node.list({}, true)).toHaveLength(1);
    expect(files().sort()).toEqual(there);
    expect(lines).toEqual([]);
  });

  test('a load that is cancelled', async () => {
    const cancelled = new AbortController();
    const { manifest } = made.image('a');
    const archive = made.layout([namedAs(manifest, 'a:1'), namedAs(made.index([]), 'b:1')]).tar();
    const there = files();
    cancelled.abort(new Error('cancelled'));
    await expect(load(archive, { signal: cancelled.signal })).rejects.toThrow('cancelled');
    await expect(load(gzipSync(archive), { signal: cancelled.signal })).rejects.toThrow();
    expect(files()).toEqual(there);
    expect(await node.list({}, true)).toEqual([]);
  });
});
