import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createLinux } from '@gantry/shared/linux';
import { tarOf } from '@gantry/shared/tar';
import { type LayerLimits, loadImageSettings } from '../image-settings';
import { unpackLayer } from './unpack-layer';

const linux = createLinux();

describe('what a layer must not exceed', () => {
  let base: string;
  beforeEach(() => (base = mkdtempSync(join(tmpdir(), 'limits-'))));
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  async function unpack(archive: Buffer, limits: Partial<LayerLimits>): Promise<unknown> {
    const path = join(base, 'archive');
    const directory = join(base, 'layer');
    writeFileSync(path, archive);
    mkdirSync(directory);
    const source = { kind: 'file', path, offset: 0, size: archive.length } as const;
    return unpackLayer(linux, {
      source,
      directory,
      limits: { ...loadImageSettings({}).layerLimits, ...limits },
    });
  }

  const many = (count: number) =>
    tarOf(Array.from({ length: count }, (_, index) => ({ name: `f${index}`, type: 'file' as const })));

  test('files: as many as are allowed, and no more', async () => {
    await unpack(many(20), { maxEntries: 20 });
    rmSync(join(base, 'layer'), { recursive: true });
    await expect(unpack(many(21), { maxEntries: 20 })).rejects.toMatchObject({
      kind: 'InvalidArgument',
      message: 'layer has more than 20 files (GANTRY_LAYER_MAX_ENTRIES)',
    });
  });

  test('bytes, however they are compressed', async () => {
    const archive = tarOf([{ name: 'f', type: 'file', data: Buffer.alloc(3_000_000) }]);
    await expect(unpack(gzipSync(archive), { maxBytes: 2_000_000 })).rejects.toMatchObject({
      kind: 'InvalidArgument',
      message: 'layer is too large: more than 2000000 bytes unpacked (GANTRY_LAYER_MAX_BYTES)',
    });
  });
});
