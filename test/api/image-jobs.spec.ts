import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { tarOf } from '../support/busybox-image';
import { byHand } from '../support/by-hand';
import { freshName } from '../support/containers';
import { api, instance, killService } from '../support/engine';
import { eventually } from '../support/eventually';
import { FaultProxy } from '../support/fault-proxy';
import { beginPull, ingest, type Job, jobOf, pull } from '../support/pulls';
import { TestRegistry } from '../support/registry';
import { putImage } from '../support/registry-image';

describe('jobs of pulls', () => {
  jest.setTimeout(60_000);
  let registry: TestRegistry;
  let proxy: FaultProxy;
  /** What other specs, which share the instance, have left for the sweep. */
  let ofOthers: string[];
  /** Lets go what is held. */
  let release: () => void;

  beforeAll(async () => {
    registry = await TestRegistry.start();
    proxy = await FaultProxy.start(registry.host);
  });
  beforeEach(() => {
    ofOthers = uploads();
    const until = new Promise<void>((resolve) => {
      release = () => {
        proxy.behave();
        resolve();
      };
    });
    proxy.on('GET', /\/blobs\//, { hold: { at: 200_000, until } });
  });
  afterEach(() => release());
  afterAll(async () => {
    await proxy?.stop();
    await registry?.stop();
  });

  /** An image of one layer whose pull stops where it is held. */
  async function heldImage(): Promise<{ image: string; subject: string; digest: string }> {
    const repository = freshName('job');
    const tar = await tarOf([{ header: { name: 'f' }, body: randomBytes(400_000) }]);
    const { layers } = await putImage(registry, `${repository}:1`, {
      layers: [{ tar, compression: 'none' }],
    });
    const image = `${proxy.host}/${repository}`;
    return { image, subject: `${image}:1`, digest: layers[0]?.digest ?? '' };
  }
  const isHeld = (digest: string) => eventually(() => expect(proxy.bytesOf(digest)).toBe(200_000));
  const state = async (id: string) =>
    (await api.get<Job[]>('/gantry/jobs')).body.find((job) => job.id === id)?.state;
  const isPulled = async (image: string) => (await api.get(`/images/${image}/json`)).status === 200;

  it('two clients share one, and each has all lines', async () => {
    const { image, subject, digest } = await heldImage();
    const first = pull(image, '&tag=1');
    await isHeld(digest);
    const second = pull(image, '&tag=1');
    await eventually(async () => expect((await jobOf(subject)).watchers).toBe(2));
    await eventually(async () => expect((await jobOf(subject)).progress?.status).toBe('Downloading'));
    const { body } = await api.get<Job[]>('/gantry/jobs');
    expect(body.filter((job) => job.subject === subject)).toEqual([
      {
        id: expect.stringMatching(/^pull-[0-9a-f]{12}$/) as string,
        name: 'pull',
        state: 'active',
        subject,
        created: expect.any(String) as string,
        started: expect.any(String) as string,
        worker: expect.any(Number) as number,
        progress: expect.objectContaining({ status: 'Downloading' }) as object,
        watchers: 2,
      },
    ]);
    release();
    const [one, two] = await Promise.all([first, second]);
    expect(one.error).toBe('');
    const texts = ({ lines }: typeof one) => lines.map(({ id, status }) => `${id} ${status}`);
    expect(texts(two)[0]).toBe(texts(one)[0]);
    expect(new Set(texts(two))).toEqual(new Set(texts(one)));
    expect(proxy.bytesOf(digest)).toBeLessThan(500_000);

    // A finished one is nobody's any more.
    await api.delete(`/images/${subject}`);
    expect((await pull(image, '&tag=1')).lines.at(-1)?.status).toMatch(/^Status: Downloaded newer image/);
    await api.delete(`/images/${subject}`);
  });

  it('whoever has other credentials has another', async () => {
    const { image, subject, digest } = await heldImage();
    const first = pull(image, '&tag=1');
    await isHeld(digest);
    const second = pull(image, '&tag=1', { username: 'a', password: 'b' });
    await eventually(async () => {
      const { body } = await api.get<Job[]>('/gantry/jobs');
      expect(body.filter((job) => job.subject === subject && job.state === 'active')).toHaveLength(2);
    });
    release();
    expect([(await first).error, (await second).error]).toEqual(['', '']);
    await api.delete(`/images/${subject}`);
  });

  it('is cancelled by an operator', async () => {
    const { image, subject, digest } = await heldImage();
    const pulled = pull(image, '&tag=1', { username: 'secret-user', password: 'secret-password' });
    await isHeld(digest);
    const { id } = await jobOf(subject);
    const before = proxy.bytesOf(digest);
    expect((await api.delete(`/gantry/jobs/${id}`)).status).toBe(202);
    expect((await pulled).lines.at(-1)).toEqual({
      errorDetail: { message: 'context canceled' },
      error: 'context canceled',
    });
    await eventually(async () => expect(await state(id)).not.toBe('active'));
    expect(await api.delete(`/gantry/jobs/${id}`)).toMatchObject({
      status: 409,
      body: { message: `job ${id} has already ended` },
    });
    expect(await isPulled(subject)).toBe(false);
    await eventually(() => expect(ownUploads()).toEqual([]));

    // Another attempt goes on from what is there.
    release();
    expect((await pull(image, '&tag=1')).error).toBe('');
    expect(proxy.bytesOf(digest) - before).toBeLessThan(300_000);
    await api.delete(`/images/${subject}`);
  });

  it('ends when its client hangs up, but not while another follows it', async () => {
    const { image, subject, digest } = await heldImage();
    const first = beginPull(image, '&tag=1');
    const second = beginPull(image, '&tag=1');
    for (const each of [first, second]) each.on('error', () => {});
    await isHeld(digest);
    await eventually(async () => expect((await jobOf(subject)).watchers).toBe(2));
    const { id } = await jobOf(subject);
    first.destroy();
    await eventually(async () => expect((await jobOf(subject)).watchers).toBe(1));
    expect(await state(id)).toBe('active');
    second.destroy();
    await eventually(async () => expect(await state(id)).toBe('completed'));
    expect((await jobOf(subject)).progress).toEqual({ error: 'context canceled' });
    expect(await isPulled(subject)).toBe(false);
  });

  it('ends when its gateway dies with its client', async () => {
    const { image, subject, digest } = await heldImage();
    const client = beginPull(image, '&tag=1');
    client.on('error', () => {});
    await isHeld(digest);
    const { id } = await jobOf(subject);
    await killService('gateway');
    expect(await state(id)).toBe('active');
    await eventually(async () => expect(await state(id)).toBe('completed'), 20_000);
    expect((await jobOf(subject)).progress).toEqual({ error: 'context canceled' });
  });

  it('is taken up by another worker at once, and its client sees no break', async () => {
    const second = await byHand('image-service', {
      GANTRY_IMAGE_ADDRESS: `unix://${instance.runDir}/image3.sock`,
      GANTRY_IMAGE_DATA_ADDRESS: `unix://${instance.runDir}/image-data3.sock`,
    });
    try {
      const { image, subject, digest } = await heldImage();
      const pulled = pull(image, '&tag=1');
      await isHeld(digest);
      const { worker } = await jobOf(subject);
      const killed = performance.now();
      process.kill(worker ?? 0, 'SIGKILL');
      await eventually(async () => {
        const job = await jobOf(subject);
        expect(job.worker).not.toBe(worker);
        expect(job.state).toBe('active');
      });
      expect(performance.now() - killed).toBeLessThan(4_000);
      release();
      expect((await pulled).error).toBe('');
      expect(await isPulled(subject)).toBe(true);
      await api.delete(`/images/${subject}`);
    } finally {
      if (second.exitCode === null && second.signalCode === null) {
        second.kill('SIGTERM');
        await once(second, 'exit');
      }
      await imageServiceAnswers();
    }
  });

  it('that was cancelled while it waited leaves no upload', async () => {
    // As many as are worked on at a time, and one more.
    const held = await Promise.all(Array.from({ length: 8 }, () => heldImage()));
    const pulls = held.map(({ image }) => pull(image, '&tag=1'));
    const jobs = await Promise.all(held.map(({ subject }) => jobOf(subject)));
    await eventually(async () => {
      for (const { subject } of held) expect((await jobOf(subject)).state).toBe('active');
    });
    const { image, subject } = await heldImage();
    const waiting = pull(image, '&tag=1', { username: 'a', password: 'b' });
    const { id, state: waits } = await jobOf(subject);
    expect(waits).toBe('waiting');
    expect(ownUploads()).toHaveLength(1);
    expect((await api.delete(`/gantry/jobs/${id}`)).status).toBe(202);
    expect((await waiting).error).toBe('context canceled');
    await eventually(() => expect(ownUploads()).toEqual([]));
    for (const job of jobs) await api.delete(`/gantry/jobs/${job.id}`);
    for (const each of pulls) expect((await each).error).toBe('context canceled');
  });

  it('that nobody knows is not there', async () => {
    expect(await api.delete('/gantry/jobs/77')).toMatchObject({
      status: 404,
      body: { message: 'No such job: 77' },
    });
  });

  const uploads = () =>
    existsSync(ingest) ? readdirSync(ingest).filter((name) => name.startsWith('upload-')) : [];
  const ownUploads = () => uploads().filter((name) => !ofOthers.includes(name));

  /** The supervisor may still be starting what the test killed. */
  const imageServiceAnswers = () =>
    eventually(async () => expect((await api.get('/images/json')).status).toBe(200));
});
