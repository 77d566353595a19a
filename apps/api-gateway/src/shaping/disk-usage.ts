import { shapeContainerSummary } from './container-documents';
import { shapeImageSummary } from './image-documents';
import type { JsonObject } from './json-objects';

export type UsageType = 'container' | 'image' | 'volume' | 'build-cache';

/** What the services say of their disk usage; undefined where it was not asked for. */
export interface CollectedUsage {
  images?: { LayersSize: number; Images: JsonObject[] };
  containers?: JsonObject[];
  volumes?: JsonObject[];
  buildCache?: JsonObject[];
}

interface Usage {
  ActiveCount: number;
  TotalCount: number;
  Reclaimable: number;
  TotalSize: number;
  Items?: JsonObject[];
}

/**
 * The answer to GET /system/df. Up to 1.51 lists with sizes, from 1.52 on sums; beside these the lists, for clients like docker-py
 * that speak the newest version without knowing it, unless `verbose` asks for them in `Items`.
 */
export function shapeDiskUsage(usage: CollectedUsage, minor: number, verbose: boolean): JsonObject {
  if (minor < 52) return lists(usage, minor);
  if (verbose) return sums(usage, verbose);
  const asked = Object.entries(lists(usage, minor)).filter(([, list]) => list !== null);
  return { ...Object.fromEntries(asked), ...sums(usage, verbose) };
}

function lists(usage: CollectedUsage, minor: number): JsonObject {
  usage.images?.Images.forEach((image) => shapeImageSummary(image, minor));
  usage.containers?.forEach((container) => shapeContainerSummary(container, minor));
  return {
    LayersSize: usage.images?.LayersSize ?? 0,
    Images: usage.images?.Images ?? null,
    Containers: usage.containers ?? null,
    Volumes: usage.volumes ?? null,
    BuildCache: usage.buildCache?.map((record) => shapeBuildCache(record, minor)) ?? null,
    ...(minor < 42 ? { BuilderSize: total(usage.buildCache ?? [], (record) => number(record['Size'])) } : {}),
  };
}

function sums(usage: CollectedUsage, verbose: boolean): JsonObject {
  const document: JsonObject = {};
  const put = (name: string, sum: Usage | undefined, items: JsonObject[] | undefined) => {
    if (sum) document[name] = verbose ? { ...sum, Items: items ?? [] } : sum;
  };
  put('ImageUsage', usage.images && imageUsage(usage.images), usage.images?.Images);
  put('ContainerUsage', usage.containers && containerUsage(usage.containers), usage.containers);
  put('VolumeUsage', usage.volumes && volumeUsage(usage.volumes), usage.volumes);
  put('BuildCacheUsage', usage.buildCache && cacheUsage(usage.buildCache), usage.buildCache);
  return document;
}

const number = (value: unknown): number => (typeof value === 'number' && value > 0 ? value : 0);
const total = (list: JsonObject[], size: (element: JsonObject) => number): number =>
  list.reduce((sum, element) => sum + size(element), 0);

/** Layers that only used images have are in use; the rest of the layers' size can be had back. */
function imageUsage({ LayersSize, Images }: { LayersSize: number; Images: JsonObject[] }): Usage {
  const active = Images.filter((image) => number(image['Containers']) > 0);
  const used = total(active, (image) => number(image['Size']) - number(image['SharedSize']));
  return {
    ActiveCount: active.length,
    TotalCount: Images.length,
    Reclaimable: Math.max(0, LayersSize - used),
    TotalSize: LayersSize,
  };
}

function containerUsage(containers: JsonObject[]): Usage {
  const isActive = (container: JsonObject) =>
    ['running', 'paused', 'restarting'].includes(String(container['State']));
  const size = (container: JsonObject) => number(container['SizeRw']);
  return {
    ActiveCount: containers.filter(isActive).length,
    TotalCount: containers.length,
    Reclaimable: total(
      containers.filter((container) => !isActive(container)),
      size,
    ),
    TotalSize: total(containers, size),
  };
}

/** What images have too cannot be had back, nor what a build uses. */
function cacheUsage(records: JsonObject[]): Usage {
  const own = records.filter((record) => record['Shared'] !== true);
  const size = (record: JsonObject) => number(record['Size']);
  return {
    ActiveCount: records.filter((record) => record['InUse'] === true).length,
    TotalCount: records.length,
    Reclaimable: total(
      own.filter((record) => record['InUse'] !== true),
      size,
    ),
    TotalSize: total(own, size),
  };
}

/** Up to 1.41 there is one parent, as text. */
function shapeBuildCache(record: JsonObject, minor: number): JsonObject {
  if (minor >= 42) return record;
  const { Parents: parents, ...older } = record;
  return { ...older, Parent: Array.isArray(parents) ? String(parents[0] ?? '') : '' };
}

function volumeUsage(volumes: JsonObject[]): Usage {
  const data = (volume: JsonObject) => (volume['UsageData'] ?? {}) as { Size?: number; RefCount?: number };
  const isActive = (volume: JsonObject) => number(data(volume).RefCount) > 0;
  const size = (volume: JsonObject) => number(data(volume).Size);
  return {
    ActiveCount: volumes.filter(isActive).length,
    TotalCount: volumes.length,
    Reclaimable: total(
      volumes.filter((volume) => !isActive(volume)),
      size,
    ),
    TotalSize: total(volumes, size),
  };
}
