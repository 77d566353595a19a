import { DEFAULT_PATH } from '@gantry/shared/oci';
import { environmentOf } from '../dockerfile/environment';
import type { HistoryEntry, ImageConfig, Platform, RuntimeConfig } from '../images/image-config';
import type { StoredLayer } from '../layers/layer-store';

/** What a stage is after a step. */
export interface BuiltImage {
  /** null: `scratch`, before its first step. */
  id: string | null;
  document: ImageConfig;
  /** Lowest first. */
  layers: StoredLayer[];
  /** In the cache: see step-key.ts. */
  key: string;
}

/** What a step adds to the image before it. */
export interface StepResult {
  config: RuntimeConfig;
  createdBy: string;
  /** undefined: no file has changed. */
  layer: StoredLayer | undefined;
  author?: string;
  created: Date;
}

export const topOf = ({ layers }: Pick<BuiltImage, 'layers'>): StoredLayer | undefined => layers.at(-1);
export const configOf = ({ document }: Pick<BuiltImage, 'document'>): RuntimeConfig => document.config ?? {};

/** An image with nothing in it. */
export function emptyDocument({ os, architecture, variant }: Platform): ImageConfig {
  return {
    architecture,
    ...(variant && { variant }),
    os,
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
    history: [],
  };
}

/** What instructions begin with: a PATH in any case, and triggers that have been pulled. */
export function asBase(document: ImageConfig): ImageConfig {
  const config = { ...document.config };
  delete config.OnBuild;
  const environment = config.Env ?? [];
  const hasPath = environmentOf(environment).has('PATH');
  return {
    ...document,
    config: { ...config, Env: hasPath ? environment : [...environment, `PATH=${DEFAULT_PATH}`] },
  };
}

/** The image document after a step. The same input gives the same bytes. */
export function nextDocument(before: ImageConfig, step: StepResult): ImageConfig {
  const { config, createdBy, layer } = step;
  const created = step.created.toISOString();
  const author = step.author ?? before.author;
  const entry: HistoryEntry = {
    created,
    created_by: createdBy,
    ...(author && { author }),
    ...(!layer && { empty_layer: true }),
  };
  const known = before.history ?? before.rootfs.diff_ids.map(() => ({}));
  return {
    architecture: before.architecture,
    ...(before.variant && { variant: before.variant }),
    os: before.os,
    ...(before['os.version'] && { 'os.version': before['os.version'] }),
    created,
    ...(author && { author }),
    config,
    rootfs: {
      type: 'layers',
      diff_ids: [...before.rootfs.diff_ids, ...(layer ? [layer.diffId] : [])],
    },
    history: [...known, entry],
  };
}
