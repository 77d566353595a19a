import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxRootfs } from '../support/busybox-image';
import { createContainer, freshName, startContainer } from '../support/containers';
import { disagreements } from '../support/engine-audit';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { TestInstance } from '../support/test-instance';

const FULL = 'no space left on device';

describe('a data root without room', () => {
  jest.setTimeout(120_000);
  const volume = mkdtempSync(join(tmpdir(), 'gantry-full-'));
  const filler = join(volume, 'filler');
  let instance: TestInstance;
  let engine: EngineClient;
  let archive: Buffer;
  let ids: Record<'runs' | 'paused' | 'restarts' | 'temporary' | 'created' | 'checked', string>;

  beforeAll(async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256m,mode=711', 'full', volume]);
    instance = await TestInstance.start(`gf${Math.random().toString(36).slice(2, 8)}`, {
      dataRoot: join(volume, 'data'),
    });
    engine = new EngineClient(instance.socket);
    archive = await busyboxRootfs();
    await engine.post('/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin', archive);
    const start = (host: object, config = {}) => startContainer({ host: { ...host }, config }, engine);
    ids = {
      runs: await start({}),
      paused: await start({}),
      restarts: await startContainer(
        { cmd: ['sh', '-c', 'sleep .3; exit 3'], host: { RestartPolicy: { Name: 'always' } } },
        engine,
      ),
      temporary: await start({ AutoRemove: true }),
      created: await createContainer({}, engine),
      checked: await start({}, { Healthcheck: { Test: ['CMD', 'true'], Interval: 3e8 } }),
    };
    fill();
  });
  afterAll(async () => {
    await instance?.clean();
    execFileSync('umount', ['--lazy', volume]);
    rmdirSync(volume);
  });

  function fill(): void {
    for (let size = 8 * 1024 * 1024; size >= 512;) {
      try {
        appendFileSync(filler, Buffer.alloc(size));
      } catch {
        size /= 2;
      }
    }
  }

  const answer = async (method: string, path: string, body?: object | Buffer) => {
    const { status, text } = await engine.call(method, path, body);
    return { status, text };
  };

  /** What a refusal must not change. */
  const state = async () => {
    const { body: created } = await engine.get<{ Name: string; HostConfig: object }>(
      `/containers/${ids.created}/json`,
    );
    const { body: runs } = await engine.get<{ State: object }>(`/containers/${ids.runs}/json`);
    const lists = ['/volumes', '/networks', '/images/json'].map(
      async (path) => (await engine.get(path)).body,
    );
    return [created.Name, created.HostConfig, runs.State, await Promise.all(lists)];
  };

  it.each([
    ['/containers/create', { Image: 'busybox' }],
    ['/containers/CREATED/start', undefined],
    ['/containers/CREATED/rename?name=NEW', undefined],
    ['/containers/CREATED/update', { Memory: 100_000_000 }],
    ['/volumes/create', { Name: 'NEW' }],
    ['/networks/create', { Name: 'NEW' }],
    ['/commit?container=RUNS&repo=kept', undefined],
    ['/images/load', 'archive'],
    ['/images/create?fromSrc=-&repo=another', 'archive'],
  ])('refuses POST %s in words, and leaves all as it was', async (path, given) => {
    // Other processes of the instance free a page now and then: what fits into it is no refusal.
    await eventually(async () => {
      fill();
      const before = await state();
      const name = freshName('new');
      const target = path.replace('CREATED', ids.created).replace('RUNS', ids.runs).replace('NEW', name);
      const body = typeof given === 'string' ? archive : given && { ...given, Name: name };
      const { status, text } = await answer('POST', target, body);
      expect(text).toContain(FULL);
      if (path !== '/images/load') expect(status).toBe(500);
      expect(await state()).toEqual(before);
    });
  });

  it('stops, pauses, kills and removes as ever, and tells ends', async () => {
    const removed = answer('POST', `/containers/${ids.temporary}/wait?condition=removed`);
    expect((await answer('POST', `/containers/${ids.paused}/pause`)).status).toBe(204);
    expect((await answer('POST', `/containers/${ids.paused}/kill`)).status).toBe(204);
    expect((await answer('POST', `/containers/${ids.temporary}/kill`)).status).toBe(204);
    expect((await removed).text).toContain('"StatusCode":137');
    expect((await answer('POST', `/containers/${ids.restarts}/stop?t=0`)).status).toBe(204);
    expect((await answer('POST', `/containers/${ids.runs}/stop?t=0`)).status).toBe(204);
    expect((await answer('DELETE', `/containers/${ids.paused}`)).status).toBe(204);
    expect((await answer('DELETE', `/containers/${ids.checked}?force=1`)).status).toBe(204);
    expect((await answer('POST', '/containers/prune')).status).toBe(200);
    expect((await engine.get('/containers/json?all=1')).body).toEqual([]);
  });

  it('makes room: images and networks go, after a kill -9 of any service and of PostgreSQL too', async () => {
    for (const service of ['container', 'postgres', 'image', 'network'] as const)
      await instance.kill(service);
    await eventually(async () => {
      expect((await answer('DELETE', '/images/busybox?force=1')).text).toMatch(/Deleted|No such image/);
    }, 30_000);
    expect((await answer('POST', '/networks/prune')).status).toBe(200);
  });

  it('goes on when there is room', async () => {
    rmSync(filler);
    await eventually(async () => {
      const { text } = await answer(
        'POST',
        '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
        archive,
      );
      expect(text).not.toContain('error');
      const id = await startContainer({ cmd: ['true'] }, engine);
      expect((await answer('POST', `/containers/${id}/wait`)).text).toContain('"StatusCode":0');
      expect((await answer('DELETE', `/containers/${id}`)).status).toBe(204);
    }, 30_000);
    await eventually(async () => expect(await disagreements(instance, engine)).toEqual([]), 20_000);
    // The events of what happened meanwhile have waited.
    await eventually(async () => {
      const { text } = await engine.get(`/events?since=0&until=${Math.floor(Date.now() / 1000)}`);
      expect(text).toContain(`"Action":"destroy","Actor":{"ID":"${ids.paused}"`);
    });
  });
});
