import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { BlobStore, digestOf } from '../blobs/blob-store';
import { CheckedNode } from '../check/node-check.fixture';
import { ImageStore } from '../images/image-store';
import { DOCKER_MANIFEST } from '../manifests/media-types';
import { ManifestStore } from '../manifests/manifest-store';
import { SnapshotStore } from '../snapshots/snapshot-store';
import { ImageRecords } from './image-records';
import { RestoreImages } from './restore-images';

let checked: CheckedNode;
const get: CheckedNode['node']['app']['get'] = (type: never) => checked.node.app.get(type);

beforeAll(async () => {
  checked = await CheckedNode.start([RestoreImages]);
}, 60_000);
afterAll(() => checked?.node.stop());
afterEach(() => checked.empty());

/** As a new Postgres would be. */
async function losePostgres(): Promise<void> {
  await get(ImageRecords).saved();
  for (const table of [
    'tags',
    'image_digests',
    'manifests',
    'layer_blobs',
    'snapshots',
    'images',
    'layers',
    'nodes',
  ]) {
    await checked.database.$executeRawUnsafe(`DELETE FROM "${table}"`);
  }
}

/** As a new process of the service would. */
const start = () => get(RestoreImages).onModuleInit();

async function everything() {
  const { database } = checked;
  return {
    images: await database.image.findMany({ orderBy: { id: 'asc' } }),
    tags: await database.tag.findMany({ orderBy: { repository: 'asc' } }),
    digests: await database.imageDigest.findMany(),
    manifests: await database.manifest.findMany({ omit: { createdAt: true } }),
    layerBlobs: await database.layerBlob.findMany({ omit: { createdAt: true } }),
    layers: await database.layer.findMany({ omit: { createdAt: true }, orderBy: { chainId: 'asc' } }),
    containers: await database.snapshot.findMany({ omit: { createdAt: true } }),
  };
}

async function oneOfEach(): Promise<void> {
  const id = await checked.node.importImage('a:1', { changes: ['LABEL n=1'] });
  await checked.node.importImage('b:1', { members: [{ name: 'other', type: 'file', data: 'y' }] });
  await checked.node.prepare('a:1');
  const config = { mediaType: 'x', digest: id, size: 1 };
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers: [] }));
  const manifest = { bytes, mediaType: DOCKER_MANIFEST, digest: digestOf(bytes) };
  await get(ManifestStore).put(manifest, id);
  const layer = await checked.database.layer.findFirstOrThrow();
  const digest = get(BlobStore).put(Buffer.from('layer'));
  await get(ManifestStore).addLayerBlob({ digest, diffId: layer.diffId, mediaType: 'x', size: 5n });
  await get(ImageStore).addDigest(id, 'docker.io/library/a', manifest.digest);
}

/** Directories that a living process has just committed may be about to get their rows from it. */
async function settle(): Promise<void> {
  for (const { layerId } of await checked.database.layer.findMany()) {
    checked.ageFile(checked.path('overlay2', layerId));
  }
}

describe('when Postgres is lost', () => {
  it('everything is there again, and containers on it', async () => {
    await oneOfEach();
    await settle();
    const before = await everything();
    expect(before.images).toHaveLength(2);
    await losePostgres();
    expect((await everything()).images).toEqual([]);
    await Promise.all([start(), start()]);
    expect(await everything()).toEqual(before);
    expect(await checked.check()).toEqual([]);
    const [container] = await get(SnapshotStore).list();
    get(SnapshotStore).mount(container?.containerId ?? '');
    get(SnapshotStore).unmount(container?.containerId ?? '');
  });

  it('what cannot be made again stays away, with its names', async () => {
    await oneOfEach();
    await settle();
    const { Id } = await checked.node.inspect('a:1');
    writeFileSync(get(BlobStore).path(Id), 'broken');
    await losePostgres();
    await start();
    const { images, tags, digests } = await everything();
    expect(images).toHaveLength(1);
    expect(tags.map(({ repository }) => repository)).toEqual(['docker.io/library/b']);
    expect(digests).toEqual([]);
  });

  it('but an index that knows the node decides, as after a crash before the records were written', async () => {
    await start();
    await checked.node.importImage('a:1');
    await get(ImageRecords).saved();
    const records = readFileSync(checked.path('image/records.json'), 'utf8');
    await checked.node.remove('a:1');
    await get(ImageRecords).saved();
    writeFileSync(checked.path('image/records.json'), records);
    await start();
    expect((await everything()).images).toEqual([]);
  });

  it('and removed images do not come back', async () => {
    await checked.node.importImage('a:1');
    await checked.node.remove('a:1');
    await losePostgres();
    await start();
    expect((await everything()).images).toEqual([]);
  });

  it('records are made where there are none, and replaced where they are broken', async () => {
    await checked.node.importImage('a:1');
    const path = checked.path('image/records.json');
    await get(ImageRecords).saved();
    for (const spoil of [() => rmSync(path), () => writeFileSync(path, '{')]) {
      spoil();
      await start();
      expect(get(ImageRecords).read()?.tags).toEqual([expect.objectContaining({ tag: '1' })]);
    }
  });
});
