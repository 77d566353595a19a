import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import type { ClientRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beginBuild } from '../support/begin-build';
import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { dockerOn } from '../support/docker-cli';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { powerOff } from '../support/power-off';
import { TestInstance } from '../support/test-instance';

const run = promisify(execFile);
const PATIENCE_MS = 30_000;

/** What of a layer, or of an image's document, had not come to disk. Gets the layer's directory and those of the blobs. */
const LOSSES: [string, (layer: string, newBlobs: string[]) => void][] = [
  ['the content of its files', (layer) => truncateSync(join(layer, 'diff', 'made'))],
  ['what makes its archive again', (layer) => truncateSync(join(layer, 'tar-split.gz'))],
  [
    'the layer itself and the documents of images',
    (layer, newBlobs) => {
      rmSync(layer, { recursive: true });
      newBlobs.forEach((blob) => truncateSync(blob));
    },
  ],
];

describe('a power cut in the middle of a build', () => {
  jest.setTimeout(120_000);
  const faults = mkdtempSync(join(tmpdir(), 'faults-'));
  let instance: TestInstance;
  let api: EngineClient;

  beforeAll(async () => {
    instance = await TestInstance.start(`gb${randomBytes(3).toString('hex')}`, {
      env: { GANTRY_FAULT_DIR: faults },
    });
    api = new EngineClient(instance.socket);
    const imported = await api.post(
      '/images/create?fromSrc=-&repo=base&tag=1&changes=ENV%20PATH%3D%2Fbin',
      await busyboxRootfs(),
    );
    expect(imported.status).toBe(200);
  });
  afterAll(async () => {
    await instance?.clean();
    rmSync(faults, { recursive: true });
  });

  it.each(LOSSES)('that loses %s: what is whole is used, and the image is right', async (what, lose) => {
    const name = what.replaceAll(' ', '-');
    const before = new Set(blobs());
    const client = await buildUntil(name, 'sleep 600');
    const layer = await eventually(() => unflushedLayer());
    const written = blobs().filter((blob) => !before.has(blob));
    await powerOff(instance, faults);
    client.destroy();
    lose(layer, written);
    await instance.startAgain();
    await cancelBuilds();

    const built = await api.post(`/build?t=${name}`, await contextOf(name, 'true'));
    expect(built.text).toContain(`Successfully tagged ${name}:latest`);
    const docker = dockerOn(instance.dockerHost);
    expect((await docker(['run', '--rm', name, 'cat', '/made'])).stdout).toBe(`${name}\n`);
    await eventually(async () => {
      const overlay = readdirSync(join(instance.dataRoot, 'overlay2'));
      expect(overlay.filter((entry) => entry.startsWith('.'))).toEqual([]);
      expect(unflushed()).toEqual([]);
      const check = ['scripts/gantry.mjs', 'check', '--repair', '--host', instance.dockerHost];
      const said = await run(process.execPath, check).catch((error: { stdout: string }) => error);
      // What was lost against the order in which it was written is found, and mended by whoever asks for it.
      expect(said.stdout).toMatch(/nothing is wrong\n$/);
    }, PATIENCE_MS);
  });

  /** What nobody waits for any more would be cancelled by itself, later. */
  async function cancelBuilds(): Promise<void> {
    const { body } = await api.get<{ id: string; name: string; finished?: string }[]>('/gantry/jobs');
    for (const { id, name, finished } of body) {
      if (name === 'build' && !finished) await api.delete(`/gantry/jobs/${id}`);
    }
  }

  function contextOf(mark: string, last: string): Promise<Buffer> {
    const lines = ['FROM base:1', `RUN echo ${mark} > /made`, `RUN echo begun; ${last}`];
    return tarOf([{ header: { name: 'Dockerfile' }, body: Buffer.from(lines.join('\n')) }]);
  }

  /** A build whose last RUN goes on. */
  async function buildUntil(mark: string, last: string): Promise<ClientRequest> {
    return beginBuild(instance.socket, await contextOf(mark, last), 'begun');
  }

  function unflushed(): string[] {
    const overlay = join(instance.dataRoot, 'overlay2');
    return readdirSync(overlay)
      .map((name) => join(overlay, name))
      .filter((directory) => existsSync(join(directory, 'unflushed')));
  }

  function unflushedLayer(): string {
    const [layer] = unflushed();
    if (layer === undefined) throw new Error('no layer waits for the disk');
    return layer;
  }

  function blobs(): string[] {
    const directory = join(instance.dataRoot, 'image', 'blobs', 'sha256');
    return readdirSync(directory)
      .map((name) => join(directory, name))
      .filter((blob) => statSync(blob).isFile());
  }
});
