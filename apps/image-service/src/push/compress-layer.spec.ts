import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createLinux, type Linux } from '@gantry/shared/linux';
import { BlobStore, digestOf } from '../blobs/blob-store';
import { ImageDatabase } from '../database/image-database';
import { ImageNode } from '../images/image-node.fixture';
import { LayerArchive } from '../layers/layer-archive';
import { LayerDirectories } from '../layers/layer-directories';
import type { StoredLayer } from '../layers/layer-store';
import { ManifestStore } from '../manifests/manifest-store';
import { CompressLayer } from './compress-layer';

const linux = createLinux();
const withoutPigz = { ...linux, host: { which: () => undefined } } as unknown as Linux;
const never = new AbortController().signal;
let node: ImageNode;

beforeAll(async () => {
  node = await ImageNode.start();
}, 60_000);
afterAll(() => node?.stop());
afterEach(() => node.empty());

const compressor = (port: Linux) =>
  new CompressLayer(port, node.app.get(BlobStore), node.app.get(LayerArchive), node.app.get(ManifestStore));

async function layer(size = 100_000): Promise<StoredLayer> {
  const data = Buffer.alloc(size, 'not quite at random ');
  const members = [
    { name: 'large', type: 'file' as const, data },
    { name: 'small', type: 'file' as const, data: 'x' },
  ];
  await node.importImage('a:1', { members });
  const [row] = await node.app.get(ImageDatabase).layer.findMany();
  if (!row) throw new Error('no layer');
  return row;
}

describe.each([
  ['pigz', linux],
  ['zlib', withoutPigz],
])('a layer compressed by %s', (_name, port) => {
  it('is the layer, the same bytes each time, and kept', async () => {
    const stored = await layer();
    const blobs = node.app.get(BlobStore);
    const first = await compressor(port).compress(stored, never);
    const bytes = readFileSync(blobs.path(first.digest));
    expect(digestOf(bytes)).toBe(first.digest);
    expect(BigInt(bytes.length)).toBe(first.size);
    expect(digestOf(gunzipSync(bytes))).toBe(stored.diffId);
    expect(await compressor(port).compress(stored, never)).toEqual(first);
    expect(await node.app.get(ManifestStore).layerBlobsOf(stored.diffId)).toMatchObject([first]);
    expect(blobs.listIngest()).toEqual([]);
  });

  it('that was changed on disk is refused, and nothing is kept', async () => {
    const stored = await layer();
    writeFileSync(join(node.app.get(LayerDirectories).diff(stored.layerId), 'small'), 'y');
    await expect(compressor(port).compress(stored, never)).rejects.toMatchObject({ kind: 'DataLoss' });
    expect(await node.app.get(ManifestStore).layerBlobsOf(stored.diffId)).toEqual([]);
    expect(node.app.get(BlobStore).listIngest()).toEqual([]);
  });

  it('is left alone when nobody wants it any more', async () => {
    const stored = await layer(30_000_000);
    const cancel = new AbortController();
    const compressing = compressor(port).compress(stored, cancel.signal);
    setImmediate(() => cancel.abort(new Error('cancelled')));
    await expect(compressing).rejects.toThrow();
    expect(await node.app.get(ManifestStore).layerBlobsOf(stored.diffId)).toEqual([]);
    expect(node.app.get(BlobStore).listIngest()).toEqual([]);
  });
});
