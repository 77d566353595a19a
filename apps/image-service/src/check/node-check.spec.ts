import {
  closeSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { gzipSync } from 'node:zlib';
import { tarOf } from '@gantry/shared/tar';
import { BlobStore, digestOf } from '../blobs/blob-store';
import type { Layer } from '../database/image-database';
import { LayerDirectories } from '../layers/layer-directories';
import { LayerStore } from '../layers/layer-store';
import { DOCKER_MANIFEST, OCI_INDEX } from '../manifests/media-types';
import { ManifestStore } from '../manifests/manifest-store';
import { SnapshotDirectories } from '../snapshots/snapshot-directories';
import { SnapshotStore } from '../snapshots/snapshot-store';
import { CheckedNode } from './node-check.fixture';

let checked: CheckedNode;
const get: CheckedNode['node']['app']['get'] = (type: never) => checked.node.app.get(type);
const seed = tarOf([
  { name: 'etc/', type: 'directory' },
  { name: 'seed', type: 'file', data: 'x' },
]);

beforeAll(async () => {
  checked = await CheckedNode.start();
}, 60_000);
afterAll(() => checked?.node.stop());
afterEach(() => checked.empty());

async function onlyLayer(): Promise<Layer> {
  const [layer] = await checked.database.layer.findMany();
  if (!layer) throw new Error('no layer');
  return layer;
}

/** The layer of `seed`, kept compressed as a registry would have it. */
async function keepBlob(): Promise<string> {
  const bytes = gzipSync(seed);
  const digest = get(BlobStore).put(bytes);
  const { diffId } = await onlyLayer();
  await get(ManifestStore).addLayerBlob({ digest, diffId, mediaType: 'x', size: BigInt(bytes.length) });
  return digest;
}

describe('a node that is in order', () => {
  it('has no findings, whatever is going on', async () => {
    await checked.node.importImage('a:1');
    await checked.node.prepare('a:1');
    const blobs = get(BlobStore);
    blobs.put(Buffer.from('of a pull that has no row yet'));
    writeFileSync(blobs.temporaryPath(), 'mine');
    writeFileSync(blobs.uploadPath('just-came'), 'x');
    writeFileSync(blobs.downloadPath(`sha256:${'0'.repeat(64)}`), 'partial');
    const made = get(LayerDirectories).makeTemporary();
    await get(LayerStore).stage({ kind: 'upper', directory: checked.path('image/blobs') });
    expect(await checked.check()).toEqual([]);
    await checked.sweep();
    expect(existsSync(made)).toBe(true);
    expect(readdirSync(blobs.ingest)).toHaveLength(3);
    for (const name of readdirSync(blobs.ingest)) rmSync(checked.path('image/ingest', name));
    for (const name of readdirSync(checked.path('overlay2')).filter((one) => one.startsWith('.'))) {
      await get(LayerDirectories).remove(name).done;
    }
  });
});

describe('what nobody owns', () => {
  it('in ingest/', async () => {
    const blobs = get(BlobStore);
    const names = ['upload-a', 'upload-b', 'download-0', 'job-1-1-00', 'strange'];
    for (const name of names) {
      writeFileSync(checked.path('image/ingest', name), '');
      checked.ageFile(checked.path('image/ingest', name), 25);
    }
    checked.queued.add('b');
    expect((await checked.repaired()).sort()).toEqual([
      'ingest is an upload that no job needs: removed',
      'ingest is nothing that Gantry has put there: removed',
      'ingest is part of a download that nobody has resumed for 24 hours: removed',
      'ingest was left by a process that is gone: removed',
    ]);
    expect(readdirSync(blobs.ingest)).toEqual(['upload-b']);
    checked.queued.clear();
    await checked.sweep();
    expect(readdirSync(blobs.ingest)).toEqual([]);
  });

  it('in overlay2/, however deep it is', async () => {
    const name = 'a'.repeat(250);
    let directory = get(LayerDirectories).makeTemporary();
    const made = directory;
    // By way of a link, since the whole path is longer than the kernel takes.
    for (let depth = 0; depth < 40; depth++) {
      mkdirSync(`${directory}/${name}`);
      const descriptor = openSync(`${directory}/${name}`, 'r');
      if (depth > 0) closeSync(Number(directory.split('/').at(-1)));
      directory = `/proc/self/fd/${descriptor}`;
    }
    closeSync(Number(directory.split('/').at(-1)));
    await get(LayerDirectories).remove(made.split('/').at(-1) ?? '').done;
    expect(readdirSync(checked.path('overlay2'))).toEqual(['l']);
  });

  it('in overlay2/', async () => {
    await checked.node.importImage('a:1');
    const layer = await onlyLayer();
    const directories = get(LayerDirectories);
    for (const name of ['.tmp-1-1-00/merged', '.removing-1-1-00', 'f'.repeat(64), 'strange']) {
      mkdirSync(checked.path('overlay2', name), { recursive: true });
    }
    // Killed between the short name and the directory.
    writeFileSync(checked.path('overlay2/.tmp-1-1-00/link'), 'AAAA');
    symlinkSync(`../${'e'.repeat(64)}/diff`, checked.path('overlay2/l/AAAA'));
    symlinkSync(`../${layer.layerId}/diff`, checked.path('overlay2/l/BBBB'));
    const then = new Date(Date.now() - 3_600_000);
    lutimesSync(checked.path('overlay2/l/BBBB'), then, then);
    for (const name of ['f'.repeat(64), 'strange']) checked.ageFile(checked.path('overlay2', name));
    rmSync(checked.path('overlay2/l', directories.shortOf(layer.layerId) ?? ''));
    expect((await checked.repaired()).sort()).toEqual([
      'directory is neither a layer nor of a container: removed',
      'directory is nothing that Gantry has put there: removed',
      'directory was being deleted by a process that is gone: removed',
      'directory was being made by a process that is gone: removed',
      'link is the short name of nothing: removed',
      `link the short name of ${layer.layerId} is missing: made again`,
    ]);
    expect(readdirSync(checked.path('overlay2')).sort()).toEqual([layer.layerId, 'l'].sort());
    expect(readdirSync(checked.path('overlay2/l'))).toEqual([directories.shortOf(layer.layerId)]);
  });

  it('among blobs, manifests and layers', async () => {
    await checked.node.importImage('a:1');
    const id = (await checked.node.inspect('a:1')).Id;
    await keepBlob();
    const bytes = Buffer.from('{"schemaVersion":2,"config":{},"layers":[]}');
    const manifest = { bytes, mediaType: DOCKER_MANIFEST, digest: digestOf(bytes) };
    await get(ManifestStore).put(manifest, id);
    const names = { mediaType: DOCKER_MANIFEST, size: 1, digest: manifest.digest };
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [names] }));
    await get(ManifestStore).put({ bytes: index, mediaType: OCI_INDEX, digest: digestOf(index) }, null);
    const orphan = get(BlobStore).put(Buffer.from('orphan'));
    checked.ageFile(get(BlobStore).path(orphan));
    await checked.ageRows();
    expect(await checked.repaired()).toEqual(['blob is referred to by nothing: removed']);

    // As if a crash had come right behind the image's row.
    await checked.database.tag.deleteMany();
    await checked.database.image.deleteMany();
    for (const name of readdirSync(checked.path('image/blobs/sha256'))) {
      checked.ageFile(checked.path('image/blobs/sha256', name));
    }
    expect((await checked.repaired()).sort()).toEqual([
      'blob is referred to by nothing: removed',
      'blob is referred to by nothing: removed',
      'blob is referred to by nothing: removed',
      'blob is referred to by nothing: removed',
      'blob is the archive of a layer that is gone: row removed',
      'layer is needed by no image and no container: removed',
      'manifest describes no image of this node: row removed',
      'manifest describes no image of this node: row removed',
    ]);
    expect(readdirSync(checked.path('image/blobs/sha256'))).toEqual([]);
    expect(await checked.database.layer.count()).toBe(0);
    expect(await checked.database.manifest.count()).toBe(0);
  });

  it('of containers that are gone', async () => {
    await checked.node.importImage('a:1');
    const [kept, gone] = [await checked.node.prepare('a:1'), await checked.node.prepare('a:1')];
    await checked.ageRows();
    expect(await checked.repaired({ containerIds: [kept] })).toEqual([
      'container-layer is the layer of a container that does not exist: removed',
    ]);
    expect(get(SnapshotDirectories).exists(gone)).toBe(false);
    expect(get(SnapshotDirectories).exists(kept)).toBe(true);
  });
});

describe('what has lost its row or its directory', () => {
  it('layers and container layers are indexed again', async () => {
    await checked.node.importImage('a:1');
    const container = await checked.node.prepare('a:1');
    const before = await onlyLayer();
    await checked.database.tag.deleteMany();
    await checked.database.snapshot.deleteMany();
    await checked.database.image.deleteMany();
    await checked.database.layer.deleteMany();
    // What this living process has just committed may be about to be indexed by it.
    expect(await checked.check()).toMatchObject([{ kind: 'container-layer' }]);
    checked.ageFile(get(LayerDirectories).path(before.layerId));
    expect(await checked.repaired()).toEqual([
      'layer is on disk but not in the index: indexed',
      'container-layer is on disk but not in the index: indexed',
    ]);
    expect(await onlyLayer()).toEqual({ ...before, createdAt: expect.any(Date) });
    get(SnapshotStore).mount(container);
    get(SnapshotStore).unmount(container);
  });

  it('rows of container layers go, blobs are written again', async () => {
    await checked.node.importImage('a:1');
    const { Id } = await checked.node.inspect('a:1');
    const container = await checked.node.prepare('a:1');
    await get(SnapshotDirectories).remove(container);
    const kept = await keepBlob();
    rmSync(get(BlobStore).path(kept));
    rmSync(get(BlobStore).path(Id));
    await checked.ageRows();
    expect((await checked.repaired()).sort()).toEqual([
      'blob is missing: dropped: it is made again when it is needed',
      'blob is missing: written again',
      'container-layer is in the index but not on disk: row removed',
    ]);
    expect(get(BlobStore).has(Id)).toBe(true);
  });

  it('names of images that are gone', async () => {
    // A foreign key is a trigger, which replicas do without; taking it away would need locks that records wait for.
    await checked.database.$transaction([
      checked.database.$executeRaw`SET LOCAL session_replication_role = replica`,
      checked.database.tag.create({
        data: { nodeId: 'node', repository: 'docker.io/library/x', tag: '1', imageId: 'sha256:0' },
      }),
    ]);
    expect(await checked.repaired()).toEqual(['name is the name of an image that is gone: removed']);
  });
});

describe('what is broken', () => {
  it('blobs are written again or dropped', async () => {
    await checked.node.importImage('a:1');
    const { Id } = await checked.node.inspect('a:1');
    const kept = await keepBlob();
    for (const digest of [Id, kept]) {
      const bytes = readFileSync(get(BlobStore).path(digest));
      bytes[5] = (bytes[5] ?? 0) ^ 1;
      writeFileSync(get(BlobStore).path(digest), bytes);
    }
    const findings = await checked.repaired();
    expect(findings.map((line) => line.replace(/sha256:[a-f0-9]{64}/, '?')).sort()).toEqual([
      'blob is corrupt: ?: dropped: it is made again when it is needed',
      'blob is corrupt: ?: written again',
    ]);
    expect(digestOf(readFileSync(get(BlobStore).path(Id)))).toBe(Id);
    expect(await checked.database.layerBlob.count()).toBe(0);
  });

  it('a layer is unpacked again from its blob, but not below a running container', async () => {
    await checked.node.importImage('a:1');
    await keepBlob();
    const container = await checked.node.prepare('a:1');
    const { rootfs } = get(SnapshotStore).mount(container);
    const { layerId } = await onlyLayer();
    writeFileSync(checked.path('overlay2', layerId, 'diff/seed'), 'y');
    const [busy] = await checked.check({ repair: true });
    expect(busy).toMatchObject({ kind: 'layer', repaired: false, action: 'is in use by a container' });
    get(SnapshotStore).unmount(container);

    const findings = await checked.repaired();
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatch(
      /^layer is corrupt: layer .* was changed on disk.*: unpacked again from its blob$/,
    );
    get(SnapshotStore).mount(container);
    expect(readFileSync(`${rootfs}/seed`, 'utf8')).toBe('x');
    get(SnapshotStore).unmount(container);
  });

  it('a lost layer comes back under its own name', async () => {
    await checked.node.importImage('a:1');
    await keepBlob();
    const container = await checked.node.prepare('a:1');
    const { layerId } = await onlyLayer();
    const short = get(LayerDirectories).shortOf(layerId) ?? '';
    renameSync(checked.path('overlay2', layerId), checked.path('lost'));
    rmSync(checked.path('overlay2/l', short));
    expect(await checked.repaired()).toEqual([
      `layer its directory overlay2/${layerId} is missing: unpacked again from its blob`,
    ]);
    const { rootfs } = get(SnapshotStore).mount(container);
    expect(readFileSync(`${rootfs}/seed`, 'utf8')).toBe('x');
    get(SnapshotStore).unmount(container);
    rmSync(checked.path('lost'), { recursive: true });
  });

  it('an image is dropped where nothing else helps', async () => {
    await checked.node.importImage('a:1');
    const { layerId } = await onlyLayer();
    rmSync(checked.path('overlay2', layerId, 'diff/seed'));
    checked.node.events.splice(0);
    const [found] = await checked.check();
    expect(found).toMatchObject({ kind: 'layer', repaired: false });
    const findings = await checked.repaired();
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatch(/: dropped a:1, which cannot be mended: pull or load it again$/);
    expect(await checked.node.list()).toEqual([]);
    expect(checked.node.events.map(({ Action }) => Action)).toEqual(['delete']);
    expect(existsSync(checked.path('overlay2', layerId))).toBe(false);
  });
});
