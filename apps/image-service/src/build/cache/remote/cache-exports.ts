import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { dataLoss, messageOf } from '@gantry/shared/errors';
import type { CacheExport } from '@gantry/shared/queue';
import { BlobStore } from '../../../blobs/blob-store';
import { shortId } from '../../../images/image-references';
import { taggable } from '../../../images/image-store';
import type { StoredLayer } from '../../../layers/layer-store';
import type { StoredLayerBlob } from '../../../manifests/manifest-store';
import { layerCompressionOf, OCI_LAYER } from '../../../manifests/media-types';
import { ProgressLines } from '../../../progress/progress-lines';
import { LayerBlobs } from '../../../push/layer-blobs';
import { PushLayers } from '../../../push/push-layers';
import { parseNamed } from '../../../references/reference';
import {
  type FetchedManifest,
  REGISTRIES,
  type Registries,
  type UploadableBlob,
} from '../../../registry/registry';
import type { BuildOutput } from '../../build-output';
import type { BuildScope, DoneStep } from '../../build-scope';
import { type BuiltImage, topOf } from '../../built-image';
import { credentialsFor } from '../../registry-config';
import { cacheConfig, cacheManifest, type CacheStep } from './cache-document';

/** What was built for one platform: `last` is the image after its last step. */
interface BuiltFor {
  last: BuiltImage;
  scope: Site;
}

type Site = Pick<BuildScope, 'steps' | 'registries' | 'session' | 'signal'>;

/** A registry or a directory of the client's. */
interface Place {
  /** Of the registry; empty: there is none. */
  repository: string;
  sendLayers(layers: { layer: StoredLayer; blob: StoredLayerBlob }[]): Promise<void>;
  sendDocument(bytes: Buffer, digest: string): Promise<void>;
  /** By which the cache is found. */
  finish(manifest: FetchedManifest): Promise<void>;
}

const WORDS = { registry: 'exporting cache to registry', client: 'exporting cache to client directory' };
const COMPRESSIONS = { none: '', gzip: '+gzip', zstd: '+zstd' };

/** Writes the steps of a build to where other engines find them (`--cache-to`). */
@Injectable()
export class CacheExports {
  constructor(
    @Inject(REGISTRIES) private readonly registries: Registries,
    @Inject(LayerBlobs) private readonly blobs: LayerBlobs,
    @Inject(PushLayers) private readonly layers: PushLayers,
    @Inject(BlobStore) private readonly store: BlobStore,
  ) {}

  /** @throws what the registry or the client says, unless that is not to matter */
  async write(order: CacheExport, built: BuiltFor[], output: BuildOutput): Promise<void> {
    const [{ scope }] = built as [BuiltFor];
    output.vertex(WORDS[order.to.kind]);
    try {
      const place =
        order.to.kind === 'registry'
          ? this.registry(order.to.reference, scope, output)
          : this.directory(order.to.store, scope);
      const steps = built.flatMap((one) =>
        order.mode === 'max' ? [...one.scope.steps] : leadingTo(one.last.key, one.scope.steps),
      );
      // What is of no platform is the same step for all.
      const manifest = await this.send([...new Map(steps)], order.manifest, place, scope.signal);
      const { mediaType, digest, bytes } = manifest;
      const descriptor = JSON.stringify({ mediaType, digest, size: bytes.length });
      output.send({ aux: { exporter: { 'cache.manifest': descriptor } } });
    } catch (error) {
      scope.signal.throwIfAborted();
      if (!order.ignoresErrors) throw error;
      output.send({ status: `error ignored: ${messageOf(error)}` });
    }
  }

  private async send(
    done: [string, DoneStep][],
    form: CacheExport['manifest'],
    place: Place,
    signal: AbortSignal,
  ): Promise<FetchedManifest> {
    const sent = new Map<string, { layer: StoredLayer; blob: StoredLayerBlob }>();
    const steps: CacheStep[] = [];
    for (const [key, { before, after }] of done) {
      const layer = after.layers.length > before.layers.length ? topOf(after) : undefined;
      const blob = layer && (await this.blobs.of(layer, place.repository, signal));
      if (layer && blob) sent.set(blob.digest, { layer, blob });
      const created = new Date(after.document.created ?? 0);
      steps.push({
        key,
        parentKey: before.key,
        created,
        layer: blob && { blob: descriptorOf(blob), diffId: blob.diffId },
      });
    }
    await place.sendLayers([...sent.values()]);
    const config = cacheConfig(steps);
    const descriptors = [...sent.values()].map(({ blob }) => descriptorOf(blob));
    const manifest = cacheManifest(config, descriptors, form);
    await place.sendDocument(config, manifest.config);
    await place.finish(manifest);
    return manifest;
  }

  private registry(reference: string, { registries, signal }: Site, output: BuildOutput): Place {
    const { repository: name, tag } = taggable(parseNamed(reference));
    const repository = this.registries.repository(name, credentialsFor(registries, name), 'push');
    const lines = new ProgressLines(async (line) => output.send(line));
    return {
      repository: name,
      sendLayers: async (layers) => {
        const pushed = layers.map(({ layer, blob }) => ({
          id: shortId(layer.diffId),
          blob: async () => blob,
        }));
        await this.layers.push(repository, pushed, new Set(), lines, signal);
        await lines.flush();
      },
      sendDocument: async (bytes, digest) => {
        if ((await repository.blobSize(digest, { signal })) !== undefined) return;
        await repository.uploadBlob(document(bytes, digest), { signal });
      },
      finish: async (manifest) => {
        const computed = await repository.putManifest(tag, manifest, { signal });
        if (computed !== manifest.digest) throw dataLoss(`the registry has the cache as ${computed}`);
      },
    };
  }

  private directory(store: string, { session, signal }: Site): Place {
    const content = session.content(store);
    const sendDocument = (bytes: Buffer, digest: string) =>
      content.uploadBlob(document(bytes, digest), { signal });
    return {
      repository: '',
      sendLayers: async (layers) => {
        for (const { blob } of layers) {
          const { digest, size } = blob;
          const open = (offset: number) => this.store.read(digest, offset);
          await content.uploadBlob({ digest, size: Number(size), open, onProgress: () => {} }, { signal });
        }
      },
      sendDocument,
      // The client notes by itself which one is the newest.
      finish: ({ bytes, digest }) => sendDocument(bytes, digest),
    };
  }
}

const document = (bytes: Buffer, digest: string): UploadableBlob => ({
  digest,
  size: bytes.length,
  open: (offset) => Readable.from([bytes.subarray(offset)]),
  onProgress: () => {},
});

const descriptorOf = ({ mediaType, digest, size }: StoredLayerBlob) => ({
  mediaType: OCI_LAYER + COMPRESSIONS[layerCompressionOf(mediaType)],
  digest,
  size: Number(size),
});

/** The steps that a step follows, itself the last. */
function leadingTo(key: string, steps: ReadonlyMap<string, DoneStep>): [string, DoneStep][] {
  const found: [string, DoneStep][] = [];
  for (let step = steps.get(key); step; step = steps.get(key)) {
    found.unshift([key, step]);
    key = step.before.key;
  }
  return found;
}
