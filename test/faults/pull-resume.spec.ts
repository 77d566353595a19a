import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { byHand } from '../support/by-hand';
import { freshName } from '../support/containers';
import { api, docker, instance } from '../support/engine';
import { eventually } from '../support/eventually';
import { FaultProxy } from '../support/fault-proxy';
import { sha256 } from '../support/image-archive';
import { bytesOnDisk, jobOf, pull } from '../support/pulls';
import { TestRegistry } from '../support/registry';
import { type Blob, putImage } from '../support/registry-image';

const SIZE = 1_500_000;
/**
 * How far each of the layers has come when the worker is killed, as parts of it. As many layers as downloads at a time, so
 * that none that is held keeps another from beginning.
 */
const POINTS = [
  [0, 0, 0],
  [0.1, 0, 0],
  [0.2, 0.1, 0],
  [0.5, 0.1, 0.1],
  [0.5, 0.9, 0.1],
  [1, 0.9, 0.3],
  [1, 1, 0.3],
  [1, 1, 0.6],
  [1, 1, 0.9],
  [1, 1, 0.99],
];

describe('kill -9 of image-service at ten points of a pull', () => {
  jest.setTimeout(120_000);
  let registry: TestRegistry;
  let proxy: FaultProxy;
  let second: ChildProcess;

  // Two of them, so that there is always one to go on: the supervisor waits longer with each death.
  const startSecond = async () => {
    second = await byHand('image-service', {
      GANTRY_IMAGE_ADDRESS: `unix://${join(instance.runDir, 'image4.sock')}`,
      GANTRY_IMAGE_DATA_ADDRESS: `unix://${join(instance.runDir, 'image-data4.sock')}`,
    });
  };
  beforeAll(async () => {
    registry = await TestRegistry.start();
    proxy = await FaultProxy.start(registry.host);
    await startSecond();
  });
  afterAll(async () => {
    if (second?.exitCode === null && second.signalCode === null) {
      second.kill('SIGTERM');
      await once(second, 'exit');
    }
    await proxy?.stop();
    await registry?.stop();
    await eventually(async () => expect((await api.get('/images/json')).status).toBe(200), 20_000);
  });

  it('loses no byte that was on disk, and the image is whole', async () => {
    const bodies = [1, 2].map(() => randomBytes(SIZE));
    const tars = await Promise.all(
      bodies.map((body, index) => tarOf([{ header: { name: `f${index}` }, body }])),
    );
    const repository = freshName('resumed');
    const { id, layers } = await putImage(registry, `${repository}:1`, {
      layers: [...tars.map((tar) => ({ tar, compression: 'none' as const })), { tar: await busyboxRootfs() }],
    });
    const subject = `${proxy.host}/${repository}:1`;

    hold(layers, POINTS[0]);
    const pulled = pull(`${proxy.host}/${repository}`, '&tag=1');
    await eventually(() => expect(proxy.passed.some(({ path }) => path.includes('/blobs/'))).toBe(true));
    let dead = 0;
    for (const [index, point] of POINTS.entries()) {
      const worker = await takenUp(subject, dead);
      await eventually(() =>
        expect(layers.map((layer, at) => hasReached(layer, point[at]))).not.toContain(false),
      );
      hold(layers, POINTS[index + 1]);
      const asked = proxy.passed.length;
      process.kill(worker, 'SIGKILL');
      await eventually(() => expect(() => process.kill(worker, 0)).toThrow());
      const onDisk = layers.map(({ digest }) => bytesOnDisk(digest));
      if (second.pid === worker) await startSecond();
      dead = worker;
      checks.push(() => {
        for (const [at, { digest }] of layers.entries()) expectNotBefore(onDisk[at] ?? 0, digest, asked);
      });
    }
    expect((await pulled).error).toBe('');
    for (const check of checks) check();
    expect((await api.get<{ Id: string }>(`/images/${subject}/json`)).body.Id).toBe(id);
    const { stdout } = await docker(['run', '--rm', subject, 'sha256sum', '/f0', '/f1']);
    expect(stdout).toBe(bodies.map((body, index) => `${sha256(body)}  /f${index}\n`).join(''));
    await api.delete(`/images/${subject}`);
  });

  /** What each kill left on disk, to be compared with what was asked for afterwards. */
  const checks: (() => void)[] = [];
  const never = new Promise<void>(() => {});

  /** From now on a layer comes no further than this; undefined: all come. */
  function hold(layers: Blob[], point: number[] | undefined): void {
    proxy.behave();
    for (const [at, { digest, size }] of layers.entries()) {
      const position = Math.floor(size * (point?.[at] ?? 1));
      if (position < size) proxy.on('GET', new RegExp(digest), { hold: { at: position, until: never } });
    }
  }

  const hasReached = ({ digest, size }: Blob, part = 0): boolean =>
    bytesOnDisk(digest) >= Math.floor(size * part);

  /** The process that works on the pull, which is not the dead one. */
  const takenUp = (subject: string, dead: number): Promise<number> =>
    eventually(async () => {
      const { worker = 0, state } = await jobOf(subject);
      expect(state).toBe('active');
      expect(worker).not.toBe(dead);
      return worker;
    }, 20_000);

  /** All requests for a blob from the `asked`-th on begin behind what was on disk. */
  function expectNotBefore(onDisk: number, digest: string, asked: number): void {
    for (const { method, path, range } of proxy.passed.slice(asked)) {
      if (method !== 'GET' || !path.endsWith(digest)) continue;
      expect(Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)).toBeGreaterThanOrEqual(onDisk);
    }
  }
});
