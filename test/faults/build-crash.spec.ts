import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { TestInstance } from '../support/test-instance';

const run = promisify(execFile);

/** In the middle of a RUN, of a COPY, of a commit, and behind a step. */
const POINTS = ['build-run-started', 'build-files-copied', 'layer-committed', 'build-step-kept'];

/** Milliseconds. */
const PATIENCE_MS = 30_000;

describe('kill -9 of image-service in the middle of a build', () => {
  jest.setTimeout(90_000);
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

  it.each(POINTS)(
    '%s: the build goes on after the last finished step, and nothing is left',
    async (point) => {
      const context = await contextFor(point);
      const before = instance.pid('image');
      writeFileSync(join(faults, point), '');
      const built = await api.post(`/build?t=${point}`, context);
      expect(instance.pid('image')).not.toBe(before);
      expect(existsSync(join(faults, point))).toBe(false);
      expect(built.text).toContain(`Successfully tagged ${point}:latest`);
      // The second attempt has found what the first had finished.
      expect(built.text.split('Step 2/6')[2]).toContain('Using cache');
      await nothingIsLeft();

      const again = await api.post(`/build?t=${point}-again`, context);
      expect(again.text.match(/Using cache/g)).toHaveLength(5);
      expect(again.text).not.toContain('Running in');
    },
  );

  /** The first time that RUN is run it does not end: only who begins it again gets on. */
  async function contextFor(point: string): Promise<Buffer> {
    const waits =
      point === 'build-run-started' ? '/state/seen || { touch /state/seen; sleep 600; }' : '/bin/sh';
    const dockerfile = [
      'FROM base:1',
      `LABEL point=${point}`,
      `RUN --mount=type=cache,id=${point},target=/state test -e ${waits}`,
      'COPY file /one/',
      'RUN cat /one/file > /two',
      'CMD ["cat", "/two"]',
    ];
    return tarOf([
      { header: { name: 'Dockerfile' }, body: Buffer.from(dockerfile.join('\n')) },
      { header: { name: 'file' }, body: Buffer.from(point) },
    ]);
  }

  async function nothingIsLeft(): Promise<void> {
    await eventually(async () => {
      const overlay = readdirSync(join(instance.dataRoot, 'overlay2'));
      expect(overlay.filter((name) => name.startsWith('.'))).toEqual([]);
      expect(readdirSync(join(instance.runDir, 'build'))).toEqual([]);
      expect(groups()).toEqual([]);
      const { body } = await api.get<{ Containers: object }>('/networks/bridge');
      expect(body.Containers).toEqual({});
      expect(readdirSync(join(instance.dataRoot, 'image', 'ingest'))).toEqual([]);
    }, PATIENCE_MS);
    const { stdout } = await run(process.execPath, [
      join('scripts', 'gantry.mjs'),
      ...['check', '--host', instance.dockerHost],
    ]);
    expect(stdout).toBe('nothing is wrong\n');
  }

  /** Cgroups of build steps, in every hierarchy. */
  function groups(): string[] {
    return ['', ...readdirSync('/sys/fs/cgroup')]
      .map((hierarchy) => join('/sys/fs/cgroup', hierarchy, instance.name, 'build'))
      .filter((directory) => existsSync(directory))
      .flatMap((directory) =>
        readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()),
      )
      .map(({ name }) => name);
  }
});
