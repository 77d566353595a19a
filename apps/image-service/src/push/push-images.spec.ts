import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { forbidden } from '@gantry/shared/errors';
import { tarOf } from '@gantry/shared/tar';
import { BlobStore, digestOf } from '../blobs/blob-store';
import { CommitContainer } from '../commit/commit-container';
import { parseImageConfig } from '../images/image-config';
import { ImageNode } from '../images/image-node.fixture';
import { ImageStore } from '../images/image-store';
import { DOCKER_LAYER_GZIP, DOCKER_MANIFEST, OCI_LAYER, OCI_MANIFEST } from '../manifests/media-types';
import { ManifestStore } from '../manifests/manifest-store';
import { ProgressLines } from '../progress/progress-lines';
import { REGISTRIES } from '../registry/registry';
import { SnapshotStore } from '../snapshots/snapshot-store';
import { CompressLayer } from './compress-layer';
import { LayerBlobs } from './layer-blobs';
import { PushIndexes } from './push-indexes';
import { PushContents } from './push-content';
import { PushImages } from './push-images';
import { PushLayers } from './push-layers';
import { FakeRegistry } from './repository.fixture';

const HOST = 'reg.example:5000';
const REPOSITORY = `${HOST}/a/one`;
let node: ImageNode;
let registry: FakeRegistry;

beforeAll(async () => {
  const registries = { repository: (name: string) => registry.repository(name) };
  node = await ImageNode.start([
    { provide: REGISTRIES, useValue: registries },
    ...[CompressLayer, LayerBlobs, PushContents, PushIndexes, PushLayers, PushImages],
  ]);
}, 60_000);
afterAll(() => node?.stop());
beforeEach(() => void (registry = new FakeRegistry()));
afterEach(() => node.empty());

type Line = { status?: string; id?: string; aux?: { Tag: string; Digest: string; Size: number } };

async function push(
  repository: string,
  tag = '',
  more: { platformJson?: string; signal?: AbortSignal; lines?: Line[] } = {},
): Promise<Line[]> {
  const lines: Line[] = more.lines ?? [];
  await node.app.get(PushImages).push(
    { repository, tag, platformJson: more.platformJson ?? '' },
    undefined,
    async (line) => {
      lines.push(line as Line);
    },
    more.signal ?? new AbortController().signal,
  );
  return lines;
}

const layerOf = async (id: string): Promise<string> => {
  const image = await node.app.get(ImageStore).find(id);
  return parseImageConfig(image?.config ?? Buffer.alloc(0)).rootfs.diff_ids[0] ?? '';
};
const statuses = (lines: Line[]) => lines.map((line) => line.status).filter((status) => status !== 'Waiting');
const manifestOf = (name: string) =>
  JSON.parse(String(registry.manifests.get(name)?.bytes)) as {
    layers: { digest: string; mediaType: string; size: number }[];
    config: { digest: string };
  };

describe('push', () => {
  it('sends an image that no registry knows, with the lines of dockerd', async () => {
    const id = await node.importImage(`${REPOSITORY}:1`, { changes: ['LABEL x=y'] });
    const lines = await push(REPOSITORY, '1');
    const pushed = registry.manifests.get(`${REPOSITORY}:1`);
    const short = (await layerOf(id)).slice(7, 19);
    expect(statuses(lines)).toEqual([
      `The push refers to repository [${REPOSITORY}]`,
      'Preparing',
      'Pushing',
      'Pushed',
      `1: digest: ${pushed?.digest} size: ${pushed?.bytes.length}`,
      undefined,
    ]);
    expect(lines.filter((line) => line.id).every((line) => line.id === short)).toBe(true);
    const aux = { Tag: '1', Digest: pushed?.digest, Size: pushed?.bytes.length };
    expect(lines.at(-1)).toEqual({ progressDetail: {}, aux });
    expect(pushed?.mediaType).toBe(DOCKER_MANIFEST);
    const manifest = manifestOf(`${REPOSITORY}:1`);
    expect(manifest.config).toMatchObject({ digest: id });
    const blob = registry.blobsOf(REPOSITORY).get(manifest.layers[0]?.digest ?? '') ?? Buffer.alloc(0);
    expect(digestOf(gunzipSync(blob))).toBe(await layerOf(id));
    expect(await node.inspect(`${REPOSITORY}:1`)).toMatchObject({
      RepoDigests: [`${REPOSITORY}@${pushed?.digest}`],
    });
    expect(node.events.at(-1)).toMatchObject({
      Action: 'push',
      Actor: { ID: `${REPOSITORY}:1`, Attributes: { name: REPOSITORY, x: 'y' } },
    });
  });

  it('sends the same bytes again, and nothing that is there', async () => {
    await node.importImage(`${REPOSITORY}:1`);
    await push(REPOSITORY, '1');
    const first = registry.manifests.get(`${REPOSITORY}:1`);
    const lines = await push(REPOSITORY, '1');
    expect(statuses(lines)).toContain('Layer already exists');
    expect(registry.uploads).toHaveLength(2);
    const other = new FakeRegistry();
    registry = other;
    await push(REPOSITORY, '1');
    expect(other.manifests.get(`${REPOSITORY}:1`)?.digest).toBe(first?.digest);
  });

  it('mounts what another repository of the registry has', async () => {
    const id = await node.importImage(`${REPOSITORY}:1`);
    await push(REPOSITORY, '1');
    await node.app.get(ImageStore).tag(id, { repository: `${HOST}/two`, tag: '1' });
    await node.app.get(ImageStore).tag(id, { repository: 'elsewhere.example/two', tag: '1' });
    expect(statuses(await push(`${HOST}/two`, '1'))).toContain('Mounted from a/one');
    expect(statuses(await push('elsewhere.example/two', '1'))).toContain('Pushed');
  });

  it('sends a pulled manifest and its layers byte for byte, whatever their form', async () => {
    const plain = tarOf([{ name: 'seed', type: 'file', data: 'x' }]);
    const id = await node.importImage('pulled:1', { members: [{ name: 'seed', type: 'file', data: 'x' }] });
    const diffId = await layerOf(id);
    expect(diffId).toBe(digestOf(plain));
    const packed = gzipSync(plain, { level: 1 });
    const blob = digestOf(packed);
    node.app.get(BlobStore).put(packed);
    const type = `${OCI_LAYER}+gzip`;
    const store = node.app.get(ManifestStore);
    await store.addLayerBlob({ digest: blob, diffId, mediaType: type, size: BigInt(packed.length) });
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        config: { digest: id, mediaType: 'application/vnd.oci.image.config.v1+json', size: 1 },
        layers: [{ digest: blob, mediaType: type, size: packed.length }],
        annotations: { any: 'thing' },
      }),
    );
    await store.put({ bytes, mediaType: OCI_MANIFEST, digest: digestOf(bytes) }, id);
    await node.app.get(ImageStore).tag(id, { repository: REPOSITORY, tag: '2' });
    await push(REPOSITORY, '2');
    expect(registry.manifests.get(`${REPOSITORY}:2`)).toMatchObject({ bytes, mediaType: OCI_MANIFEST });
    expect(registry.blobsOf(REPOSITORY).get(blob)).toEqual(packed);

    // An image on top of it gets a manifest of its own, with the same layer below.
    const container = await node.prepare('pulled:1');
    writeFileSync(join(node.app.get(SnapshotStore).mount(container).rootfs, 'added'), 'y');
    await node.app.get(CommitContainer).commit({
      ...{ containerId: container, repository: REPOSITORY, tag: '3', author: '', comment: '' },
      ...{ changes: [], containerConfig: {} },
    });
    await push(REPOSITORY, '3');
    const layers = manifestOf(`${REPOSITORY}:3`).layers;
    expect(layers[0]).toEqual({ digest: blob, mediaType: DOCKER_LAYER_GZIP, size: packed.length });
    expect(layers).toHaveLength(2);
  });

  it('sends a pulled manifest back to where its layers are, though they are not kept here', async () => {
    const id = await node.importImage(`${REPOSITORY}:1`);
    const blob = Buffer.from('packed elsewhere');
    const layer = { digest: digestOf(blob), mediaType: `${OCI_LAYER}+gzip`, size: blob.length };
    const config = { digest: id, mediaType: 'application/vnd.oci.image.config.v1+json', size: 1 };
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers: [layer] }));
    const store = node.app.get(ManifestStore);
    await store.put({ bytes, mediaType: OCI_MANIFEST, digest: digestOf(bytes) }, id);
    await store.addSources([layer.digest], `${HOST}/origin`);
    await push(REPOSITORY, '1');
    expect(registry.manifests.get(`${REPOSITORY}:1`)?.digest).not.toBe(digestOf(bytes));
    registry.blobsOf(`${HOST}/origin`).set(layer.digest, blob);
    await node.app.get(ImageStore).tag(id, { repository: `${HOST}/back`, tag: '1' });
    await push(`${HOST}/back`, '1');
    expect(registry.manifests.get(`${HOST}/back:1`)?.bytes).toEqual(bytes);
    expect(registry.blobsOf(`${HOST}/back`).get(layer.digest)).toEqual(blob);
  });

  it('sends no more layers at a time than it may; the others wait', async () => {
    const layers = Array.from({ length: 8 }, (_, n) => {
      const bytes = Buffer.from(`layer ${n}`);
      node.app.get(BlobStore).put(bytes);
      const blob = { digest: digestOf(bytes), size: BigInt(bytes.length) };
      return { id: `layer-${n}`, blob: async () => blob };
    });
    const told: Line[] = [];
    const lines = new ProgressLines(async (line) => void told.push(line as Line));
    const release = registry.hold();
    const pushing = node.app
      .get(PushLayers)
      .push(registry.repository(REPOSITORY), layers, new Set(), lines, new AbortController().signal);
    await registry.held(5);
    await new Promise((resolve) => setImmediate(resolve));
    await lines.flush();
    expect(told.filter(({ status }) => status === 'Waiting').map(({ id }) => id)).toEqual([
      'layer-5',
      'layer-6',
      'layer-7',
    ]);
    release();
    await pushing;
    expect(registry.mostAtOnce).toBe(5);
    expect(registry.uploads).toHaveLength(8);
  });

  it('pushes all tags, and says what is not there', async () => {
    await expect(push(REPOSITORY, '1')).rejects.toThrow(
      `An image does not exist locally with the tag: ${REPOSITORY}`,
    );
    const id = await node.importImage(`${REPOSITORY}:1`);
    await node.app.get(ImageStore).tag(id, { repository: REPOSITORY, tag: '2' });
    await push(REPOSITORY);
    expect([...registry.manifests.keys()]).toEqual([`${REPOSITORY}:1`, `${REPOSITORY}:2`]);
    await expect(push(REPOSITORY, '3')).rejects.toThrow(`tag does not exist: ${REPOSITORY}:3`);
    await expect(push(`${REPOSITORY}@sha256:${'0'.repeat(64)}`)).rejects.toThrow('digest reference');
    const platformJson = '{"os":"linux","architecture":"nonesuch"}';
    await expect(push(REPOSITORY, '1', { platformJson })).rejects.toThrow(
      'does not provide the specified platform (linux/nonesuch)',
    );
  });

  it('ends with what the registry says, and with a lying digest', async () => {
    await node.importImage(`${REPOSITORY}:1`);
    registry.failure = forbidden('denied: requested access to the resource is denied');
    await expect(push(REPOSITORY, '1')).rejects.toThrow('denied: requested access');
    registry.failure = undefined;
    registry.computed = `sha256:${'0'.repeat(64)}`;
    await expect(push(REPOSITORY, '1')).rejects.toMatchObject({ kind: 'DataLoss' });
    expect(await node.inspect(`${REPOSITORY}:1`)).toMatchObject({ RepoDigests: [] });
  });

  it('is cancelled by its signal and leaves nothing behind', async () => {
    await node.importImage(`${REPOSITORY}:1`);
    const cancel = new AbortController();
    cancel.abort(new Error('cancelled'));
    await expect(push(REPOSITORY, '1', { signal: cancel.signal })).rejects.toThrow('cancelled');
    expect(registry.uploads).toEqual([]);
    expect(node.app.get(BlobStore).listIngest()).toEqual([]);
  });
});
