import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { tarOf } from '../support/busybox-image';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { imageArchive } from '../support/image-archive';
import { TestInstance } from '../support/test-instance';

const run = promisify(execFile);

/** Where an image comes to be, in the order in which a load passes them. */
const COMING = [
  'layer-unpacked',
  'layer-committed',
  'layer-indexed',
  'image-blob',
  'blob-written',
  'blob-renamed',
  'image-created',
];
/** Where an image goes. */
const GOING = ['image-row-deleted', 'layer-row-deleted', 'layer-out-of-the-way'];

/** The supervisor waits longer and longer for a process that dies so often. Milliseconds. */
const PATIENCE_MS = 30_000;

describe('kill -9 of image-service at named points', () => {
  jest.setTimeout(90_000);
  const faults = mkdtempSync(join(tmpdir(), 'faults-'));
  let instance: TestInstance;
  let api: EngineClient;

  beforeAll(async () => {
    instance = await TestInstance.start(`gc${randomBytes(3).toString('hex')}`, {
      env: { GANTRY_FAULT_DIR: faults },
    });
    api = new EngineClient(instance.socket);
  });
  afterAll(async () => {
    await instance?.clean();
    rmSync(faults, { recursive: true });
  });

  it.each(COMING)('%s: a load goes on to its end and leaves nothing behind', async (point) => {
    const name = `coming-${point}`;
    const { archive, id } = await twoLayers(name);
    const before = instance.pid('image');
    arm(point);
    const { status, text } = await api.post('/images/load', archive);
    expect({ status, text }).toMatchObject({
      status: 200,
      text: expect.not.stringContaining('error') as string,
    });
    expect(instance.pid('image')).not.toBe(before);
    expect(existsSync(join(faults, point))).toBe(false);

    const loaded = await api.get<{ Id: string; RootFS: { Layers: string[] } }>(`/images/${name}/json`);
    expect(loaded.body).toMatchObject({ Id: id, RootFS: { Layers: [expect.anything(), expect.anything()] } });
    expect(await gantryCheck()).toEqual({ code: 0, text: 'nothing is wrong\n' });
    expect(readdirSync(join(instance.dataRoot, 'image', 'ingest'))).toEqual([]);
    expect((await api.delete(`/images/${name}`)).status).toBe(200);
    await nothingIsLeft();
  });

  it.each(GOING)('%s: an image that was going is gone', async (point) => {
    const name = `going-${point}`;
    const { archive } = await twoLayers(name);
    expect((await api.post('/images/load', archive)).text).toContain('Loaded image');
    const before = instance.pid('image');
    arm(point);
    await api.delete(`/images/${name}`);
    await eventually(() => expect(instance.pid('image')).not.toBe(before), PATIENCE_MS);
    await eventually(async () => expect((await api.get('/images/json')).status).toBe(200), PATIENCE_MS);
    expect((await api.get(`/images/${name}/json`)).status).toBe(404);
    await nothingIsLeft();
  });

  it('gantry check finds what was done to an image, and mends it or says that it cannot', async () => {
    const { archive } = await twoLayers('harmed');
    await api.post('/images/load', archive);
    const [layer = ''] = readdirSync(join(instance.dataRoot, 'overlay2')).filter((one) => one.length === 64);
    const [file = ''] = readdirSync(join(instance.dataRoot, 'overlay2', layer, 'diff'));
    writeFileSync(join(instance.dataRoot, 'overlay2', layer, 'diff', file), 'harm');
    const found = await gantryCheck();
    expect(found).toMatchObject({
      code: 1,
      text: expect.stringMatching(/^layer sha256:\w+ is corrupt: /) as string,
    });
    const mended = await gantryCheck('--repair');
    expect(mended.text).toContain('dropped harmed:latest, which cannot be mended: pull or load it again');
    expect((await api.get('/images/harmed/json')).status).toBe(404);
    await nothingIsLeft();
  });

  function arm(point: string): void {
    writeFileSync(join(faults, point), '');
  }

  /** What came without a row yet is left alone for an hour, and here made to look as old as that. */
  async function nothingIsLeft(): Promise<void> {
    await query(instance, `UPDATE image.layers SET created_at = created_at - interval '2 hours'`);
    const then = new Date(Date.now() - 2 * 3_600_000);
    const blobs = join(instance.dataRoot, 'image', 'blobs', 'sha256');
    for (const blob of readdirSync(blobs)) utimesSync(join(blobs, blob), then, then);
    await eventually(async () => {
      await gantryCheck('--repair');
      expect(await gantryCheck()).toEqual({ code: 0, text: 'nothing is wrong\n' });
      expect(readdirSync(blobs)).toEqual([]);
      expect(readdirSync(join(instance.dataRoot, 'overlay2'))).toEqual(['l']);
      expect(readdirSync(join(instance.dataRoot, 'overlay2', 'l'))).toEqual([]);
      expect(readdirSync(join(instance.dataRoot, 'image', 'ingest'))).toEqual([]);
    });
  }

  async function gantryCheck(...more: string[]): Promise<{ code: number; text: string }> {
    const args = [join('scripts', 'gantry.mjs'), 'check', '--host', instance.dockerHost, ...more];
    return run(process.execPath, args).then(
      ({ stdout }) => ({ code: 0, text: stdout }),
      ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
        code,
        text: stdout + stderr,
      }),
    );
  }
});

async function query({ name, runDir }: TestInstance, statement: string): Promise<void> {
  const host = join(runDir, 'postgres');
  const client = new Client({ connectionString: `postgresql://postgres@localhost/${name}?host=${host}` });
  await client.connect();
  await client.query(statement);
  await client.end();
}

async function twoLayers(name: string) {
  const layers = await Promise.all(
    ['lower', 'upper'].map((layer) =>
      tarOf([{ header: { name: `${layer}-${name}` }, body: Buffer.from(name) }]),
    ),
  );
  return imageArchive({ repoTag: `${name}:latest`, layers });
}
