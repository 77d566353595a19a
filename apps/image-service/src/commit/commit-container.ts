import { Inject, Injectable } from '@nestjs/common';
import { notFound } from '@gantry/shared/errors';
import { applyChanges } from '../changes/apply-changes';
import { hostPlatform, type ImageConfig, parseImageConfig, type RuntimeConfig } from '../images/image-config';
import { shortId } from '../images/image-references';
import { ImageStore, taggable } from '../images/image-store';
import { EMPTY_LAYER } from '../layers/empty-layer';
import { LayerStore } from '../layers/layer-store';
import { familiar, parseRepositoryAndTag } from '../references/reference';
import { SnapshotDirectories } from '../snapshots/snapshot-directories';

export interface CommitOptions {
  containerId: string;
  repository: string;
  tag: string;
  author: string;
  comment: string;
  changes: string[];
  /** API: ContainerConfig. */
  containerConfig: RuntimeConfig;
}

/** The keys of a container's configuration that an image has too. */
const INHERITED: (keyof RuntimeConfig)[] = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'ArgsEscaped',
  'Healthcheck',
  'OnBuild',
  'Shell',
];

/** `docker commit`: the read-write layer of a container becomes the top layer of a new image. */
@Injectable()
export class CommitContainer {
  constructor(
    @Inject(SnapshotDirectories) private readonly snapshots: SnapshotDirectories,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(ImageStore) private readonly images: ImageStore,
  ) {}

  /** The new image, and the name it was given as people write it. */
  async commit(options: CommitOptions): Promise<{ imageId: string; reference: string }> {
    const record = this.snapshots.record(options.containerId);
    if (!record) throw notFound(`No such container: ${shortId(options.containerId)}`);
    const name =
      options.repository === '' ? undefined : parseRepositoryAndTag(options.repository, options.tag);
    const config = applyChanges(inherited(options.containerConfig), options.changes);
    const parent = await this.images.find(record.imageId);
    const base: ImageConfig | undefined = parent ? parseImageConfig(parent.config) : undefined;

    const below = (await this.layers.chain(record.topChainId)).reverse();
    const directory = this.snapshots.upper(options.containerId);
    const layer = await this.layers.add({ kind: 'upper', directory }, below.at(-1));
    const isEmpty = layer.diffId === EMPTY_LAYER;
    const layers = isEmpty ? below : [...below, layer];

    const created = new Date().toISOString();
    const host = hostPlatform();
    const document: ImageConfig = {
      architecture: base?.architecture ?? host.architecture,
      ...(base?.variant && { variant: base.variant }),
      os: base?.os ?? host.os,
      ...(base?.['os.version'] && { 'os.version': base['os.version'] }),
      created,
      ...(options.author && { author: options.author }),
      container: options.containerId,
      config,
      rootfs: { type: 'layers', diff_ids: layers.map((one) => one.diffId) },
      history: [
        ...(base?.history ?? below.map(() => ({}))),
        {
          created,
          created_by: (options.containerConfig.Cmd ?? []).join(' '),
          ...(options.author && { author: options.author }),
          ...(options.comment && { comment: options.comment }),
          ...(isEmpty && { empty_layer: true }),
        },
      ],
    };
    if (isEmpty) await this.layers.release(layer.chainId);
    const id = await this.images.create(Buffer.from(JSON.stringify(document)), layers, parent?.id ?? null);
    if (name) await this.images.tag(id, name);
    return { imageId: id, reference: name ? familiar(taggable(name)) : '' };
  }
}

function inherited(config: RuntimeConfig): RuntimeConfig {
  const entries = INHERITED.map((key) => [key, config[key]] as const);
  return Object.fromEntries(
    entries.filter(([, value]) => value !== undefined && value !== null && value !== ''),
  );
}
