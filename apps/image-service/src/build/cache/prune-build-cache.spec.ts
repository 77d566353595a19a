import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ImageDatabase } from '../../database/image-database';
import { IMAGE_SETTINGS, type ImageSettings } from '../../image-settings';
import { ImageNode } from '../../images/image-node.fixture';
import { LayerDirectories } from '../../layers/layer-directories';
import { LayerStore, type StoredLayer } from '../../layers/layer-store';
import { CacheDirectories } from './cache-directories';
import { CacheRecords } from './cache-records';
import { PruneBuildCache } from './prune-build-cache';
import { StepCache } from './step-cache';

const HOUR_MS = 3_600_000;
const LAYER_BYTES = 1_000;

let node: ImageNode;
const get: ImageNode['app']['get'] = (type: never) => node.app.get(type);
let written = 0;

beforeAll(async () => {
  node = await ImageNode.start([StepCache, CacheDirectories, CacheRecords, PruneBuildCache]);
}, 60_000);
afterAll(() => node?.stop());
afterEach(async () => {
  await get(PruneBuildCache).prune({
    all: true,
    reservedSpace: 0,
    maxUsedSpace: 0,
    minFreeSpace: 0,
    filters: new Map(),
  });
  await node.empty();
});

/** A step with a layer of LAYER_BYTES on `parent`, last used so many hours ago. */
async function step(key: string, { hours = 0, parent }: { hours?: number; parent?: StoredLayer } = {}) {
  const upper = join(node.dataRoot, `upper-${written++}`);
  mkdirSync(upper);
  writeFileSync(join(upper, `file-${written}`), 'x'.repeat(LAYER_BYTES));
  const layers = get(LayerStore);
  const top = await layers.commit(await layers.stage({ kind: 'upper', directory: upper }), parent);
  await get(StepCache).keep({
    key,
    parentKey: 'base',
    createdBy: key,
    config: Buffer.from(`{"of":"${key}"}`),
    top,
    size: top.size,
    jobId: 'job',
  });
  const lastUsedAt = new Date(Date.now() - hours * HOUR_MS);
  await get(ImageDatabase).buildStep.updateMany({ where: { key }, data: { lastUsedAt } });
  return top;
}

async function keysAfter(limits: Partial<ImageSettings['buildCache']>): Promise<string[]> {
  Object.assign(get<ImageSettings>(IMAGE_SETTINGS).buildCache, { maxBytes: 1e12, maxHours: 336, ...limits });
  await get(PruneBuildCache).limit();
  const rows = await get(CacheRecords).list();
  return rows.map(({ document }) => document.ID).sort();
}

describe('the cache of builds', () => {
  it('loses what has not been used for longer than it may be, with its layer', async () => {
    const old = await step('old', { hours: 5 });
    const young = await step('young', { hours: 3 });
    expect(await keysAfter({ maxHours: 4 })).toEqual(['young']);
    const directories = get(LayerDirectories);
    expect([old, young].map(({ layerId }) => existsSync(directories.path(layerId)))).toEqual([false, true]);
  });

  it('loses the longest unused where it is larger than it may be', async () => {
    for (const [key, hours] of [
      ['a', 3],
      ['b', 1],
      ['c', 2],
    ] as const)
      await step(key, { hours });
    expect(await keysAfter({ maxBytes: 2 * LAYER_BYTES })).toEqual(['b', 'c']);
    expect(await keysAfter({ maxBytes: 2 * LAYER_BYTES - 1 })).toEqual(['b']);
    expect(await keysAfter({ maxBytes: 0 })).toEqual([]);
  });

  it('keeps a layer that a younger step lies on', async () => {
    const below = await step('below', { hours: 5 });
    await step('above', { hours: 1, parent: below });
    expect(await keysAfter({ maxHours: 4 })).toEqual(['above']);
    expect(existsSync(get(LayerDirectories).path(below.layerId))).toBe(true);
    expect(await keysAfter({ maxHours: 0 })).toEqual([]);
    expect(existsSync(get(LayerDirectories).path(below.layerId))).toBe(false);
  });

  it('keeps what a build is using, however old and large', async () => {
    await step('held', { hours: 100 });
    get(StepCache).hold('held');
    expect(await keysAfter({ maxHours: 1, maxBytes: 0 })).toEqual(['held']);
    await get(StepCache).release(['held']);
    expect(await keysAfter({ maxHours: 1 })).toEqual(['held']);
    expect(await keysAfter({ maxBytes: 0 })).toEqual([]);
  });

  it('counts the directories of cache mounts, and takes those that are not in use', async () => {
    const { signal } = new AbortController();
    const [used, unused] = [
      await get(CacheDirectories).take('used', 'shared', signal),
      await get(CacheDirectories).take('unused', 'shared', signal),
    ];
    for (const { path } of [used, unused]) writeFileSync(join(path, 'file'), 'x'.repeat(LAYER_BYTES));
    unused.giveBack();
    expect(await keysAfter({ maxBytes: LAYER_BYTES / 2 })).toHaveLength(1);
    expect([used, unused].map(({ path }) => existsSync(path))).toEqual([true, false]);
    used.giveBack();
    expect(await keysAfter({ maxBytes: LAYER_BYTES / 2 })).toEqual([]);
  });
});
