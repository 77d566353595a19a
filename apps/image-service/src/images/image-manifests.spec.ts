import { BlobStore, digestOf } from '../blobs/blob-store';
import { ImageDatabase } from '../database/image-database';
import { DOCKER_LAYER_GZIP, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from '../manifests/media-types';
import { ManifestStore } from '../manifests/manifest-store';
import { KeepAttestations } from '../pull/keep-attestations';
import { FakeRegistry } from '../push/repository.fixture';
import { ImageAttestations } from './image-attestations';
import { ImageNode } from './image-node.fixture';
import { ImageStore } from './image-store';
import { InspectImage } from './inspect-image';
import { ListImages } from './list-images';
import { PruneImages } from './prune-images';

const REPOSITORY = 'reg.example/a';
const PREDICATE = 'https://slsa.dev/provenance/v0.2';
let node: ImageNode;

beforeAll(async () => {
  node = await ImageNode.start([KeepAttestations]);
}, 60_000);
afterAll(() => node?.stop());
afterEach(() => node.empty());

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const described = (bytes: Buffer, mediaType: string) => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
});

/** An image as if pulled: its layer's blob, its manifest, an index that names another platform and an attestation. */
async function pulled() {
  const store = node.app.get(ManifestStore);
  const id = await node.importImage(`${REPOSITORY}:1`);
  const { RootFS, Architecture } = await node.inspect(`${REPOSITORY}:1`);
  const blob = Buffer.from('packed');
  node.app.get(BlobStore).put(blob);
  const layer = described(blob, `${OCI_LAYER}+gzip`);
  const diffId = RootFS.Layers?.[0] ?? '';
  await store.addLayerBlob({
    ...{ digest: layer.digest, diffId, mediaType: DOCKER_LAYER_GZIP },
    size: BigInt(blob.length),
  });
  const configSize = node.app.get(BlobStore).size(id) ?? 0;
  const config = { mediaType: OCI_CONFIG, digest: id, size: configSize };
  const manifest = json({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] });
  const statement = json({ predicateType: PREDICATE, predicate: { any: 'thing' } });
  const annotations = { 'in-toto.io/predicate-type': PREDICATE };
  const statementLayer = { ...described(statement, 'application/vnd.in-toto+json'), annotations };
  const attestation = json({
    ...{ schemaVersion: 2, mediaType: OCI_MANIFEST },
    config: described(json({}), OCI_CONFIG),
    layers: [statementLayer],
  });
  const own = { ...described(manifest, OCI_MANIFEST), platform: { os: 'linux', architecture: Architecture } };
  const other = {
    ...described(Buffer.from('other'), OCI_MANIFEST),
    platform: { os: 'linux', architecture: 'x' },
  };
  const attested = {
    ...described(attestation, OCI_MANIFEST),
    annotations: {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': own.digest,
    },
  };
  const indexBytes = json({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [own, other, attested],
  });
  const index = { bytes: indexBytes, ...described(indexBytes, OCI_INDEX) };
  await store.put({ bytes: manifest, ...own }, id);
  await store.put(index, null);
  await node.app.get(ImageStore).addDigest(id, REPOSITORY, index.digest);
  const content = manifest.length + configSize + blob.length;
  return { id, own, other, attested, attestation, statement, statementLayer, index, content };
}

const list = (options: { manifests?: boolean; identity?: boolean } = {}) =>
  node.app.get(ListImages).list({ all: false, sharedSize: false, filters: new Map(), ...options });

describe('manifests of images', () => {
  it('leaves out what an image that was in no registry has not', async () => {
    await node.importImage('a:1');
    expect(await node.inspect('a:1')).not.toHaveProperty('Descriptor');
    expect((await list({ manifests: true, identity: true }))[0]).not.toHaveProperty('Manifests');
  });

  it('shows the index and what is here of it', async () => {
    const { id, index, own, other, attested, content } = await pulled();
    const { bytes, ...descriptor } = index;
    expect(bytes.length).toBe(descriptor.size);
    const container = await node.prepare(id);
    const [summary] = await list({ manifests: true, identity: true });
    const identity = { Pull: [{ Repository: REPOSITORY }] };
    expect(summary).toMatchObject({ Descriptor: descriptor, Containers: 1 });
    expect(summary?.Manifests).toEqual([
      {
        ID: own.digest,
        Descriptor: own,
        Available: true,
        Size: { Content: content, Total: content + 1 },
        Kind: 'image',
        ImageData: {
          ...{ Platform: own.platform, Identity: identity, Containers: [container] },
          Size: { Unpacked: 1 },
        },
      },
      {
        ID: other.digest,
        Descriptor: other,
        Available: false,
        Size: { Content: 0, Total: 0 },
        Kind: 'image',
        ImageData: {
          ...{ Platform: other.platform, Identity: identity, Containers: [] },
          Size: { Unpacked: 0 },
        },
      },
      {
        ID: attested.digest,
        Descriptor: attested,
        Available: false,
        Size: { Content: 0, Total: 0 },
        Kind: 'attestation',
        AttestationData: { For: own.digest },
      },
    ]);
    expect((await list())[0]).not.toHaveProperty('Manifests');
    const inspected = await node.inspect(id);
    expect(inspected).toMatchObject({ Descriptor: descriptor, Identity: identity });
    expect(inspected).not.toHaveProperty('Manifests');
  });

  it('shows the manifest of one platform, and not both', async () => {
    const inspection = node.app.get(InspectImage);
    const { id, own } = await pulled();
    const platform = { ...own.platform, variant: '' };
    const { digest, mediaType, size } = own;
    expect((await inspection.inspect(id, { platform })).Descriptor).toEqual({ digest, mediaType, size });
    expect((await inspection.inspect(id, { manifests: true })).Manifests).toHaveLength(3);
    await expect(inspection.inspect(id, { platform, manifests: true })).rejects.toThrow(
      'conflicting options',
    );
  });

  it('keeps attestations of a pull, and finds them', async () => {
    const { id, attested, attestation, statement, statementLayer, index, own } = await pulled();
    const find = (options: { types?: string[]; statement?: boolean } = {}) =>
      node.app.get(ImageAttestations).find(id, { types: [], statement: false, ...options });
    await expect(find()).rejects.toThrow(`attestation manifest ${attested.digest} is not available locally`);
    const registry = new FakeRegistry();
    const mediaType = OCI_MANIFEST;
    const { digest } = attested;
    registry.manifests.set(`${REPOSITORY}:${digest}`, { bytes: attestation, mediaType, digest });
    registry.blobsOf(REPOSITORY).set(statementLayer.digest, statement);
    const resolved = { indexes: [index], fetched: { bytes: Buffer.alloc(0), ...own }, imageId: id };
    const signal = new AbortController().signal;
    await node.app.get(KeepAttestations).keep(registry.repository(REPOSITORY), resolved, signal);
    expect(await find()).toEqual([{ Descriptor: statementLayer, PredicateType: PREDICATE }]);
    expect(await find({ types: ['other'] })).toEqual([]);
    expect(await find({ types: [PREDICATE], statement: true })).toEqual([
      {
        Descriptor: statementLayer,
        PredicateType: PREDICATE,
        Statement: JSON.parse(statement.toString()) as unknown,
      },
    ]);
    const [summary] = await list({ manifests: true });
    expect(summary?.Manifests?.[2]).toMatchObject({ Kind: 'attestation', Available: true });
  });

  it('goes with the image, and a prune counts its bytes', async () => {
    await pulled();
    const report = await node.app.get(PruneImages).prune(new Map([['dangling', ['false']]]));
    expect(report.SpaceReclaimed).toBe(1 + 'packed'.length);
    const database = node.app.get(ImageDatabase);
    expect(await database.manifest.count()).toBe(0);
    expect(await database.layerBlob.count()).toBe(0);
    expect(node.app.get(BlobStore).list()).toEqual([]);
  });
});
