import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromJson } from '@gantry/shared/grpc';
import { eventually } from '../../../../test/support/eventually';
import { VolumePlugin } from '../../../../test/support/volume-plugin';
import { Fixture, plain, volumesIn } from '../volume-service.fixture';
import type { ApiVolume } from '../volumes/volume';

describe('volume plugins', () => {
  let fixture: Fixture;
  let plugin: VolumePlugin;
  const sockets = () => join(fixture.root, 'plugins');
  beforeEach(async () => {
    fixture = new Fixture();
    plugin = new VolumePlugin(join(sockets(), 'depot.sock'), join(fixture.root, 'depot'));
    await plugin.start();
  });
  afterEach(async () => {
    await plugin.stop();
    await fixture.remove();
  });

  const create = async (config: object) =>
    fromJson<ApiVolume>(await fixture.api.create({ config: Buffer.from(JSON.stringify(config)) }));
  const inspect = async (name: string) => fromJson<ApiVolume>(await fixture.api.inspect({ name }));
  const list = async () =>
    fromJson<{ Volumes: ApiVolume[]; Warnings: string[] | null }>(
      await fixture.api.list({ filters: undefined }),
    );
  const remove = (name: string, force = false) => fixture.api.remove({ name, force });
  const onDisk = () => volumesIn(fixture.root);
  const inDepot = (name: string) => ({ ...plain(name), driver: 'depot' });

  it('makes, shows and removes volumes', async () => {
    const made = await create({
      Name: 'goods',
      Driver: 'depot',
      DriverOpts: { shelf: '3' },
      Labels: { k: 'v' },
    });
    expect(made).toMatchObject({ Name: 'goods', Driver: 'depot', Scope: 'local', Labels: { k: 'v' } });
    expect(await inspect('goods')).toMatchObject({ Mountpoint: '', Status: { opts: { shelf: '3' } } });
    expect((await list()).Volumes).toMatchObject([{ Name: 'goods', Driver: 'depot' }]);
    await remove('goods');
    expect(plugin.volumes()).toEqual({});
    await eventually(() => expect(onDisk()).toEqual([]));
    expect(fixture.events.map(({ Action }) => Action)).toEqual(['create', 'destroy']);
    expect(plugin.calls()).toContain('Create {"Name":"goods","Opts":{"shelf":"3"}}');
  });

  it('mounts for each container by its id, and unmounts likewise', async () => {
    await fixture.attachments.acquire('c1', [inDepot('goods')]);
    await fixture.attachments.acquire('c2', [inDepot('goods')]);
    const place = join(plugin.data, 'volumes', 'goods');
    expect(await fixture.attachments.mount('c1')).toEqual(new Map([['goods', place]]));
    await fixture.attachments.mount('c1');
    await fixture.attachments.mount('c2');
    expect(await inspect('goods')).toMatchObject({ Mountpoint: place });
    expect(plugin.volumes()).toMatchObject({ goods: { users: ['c1', 'c2'] } });
    await fixture.attachments.unmount('c1');
    await fixture.attachments.release('c2', false);
    expect(plugin.volumes()).toMatchObject({ goods: { users: [] } });
    expect(plugin.calls().filter((call) => call.startsWith('Mount '))).toHaveLength(2);
  });

  it('knows volumes that only the plugin knows, and does not make others of their name', async () => {
    await create({ Name: 'goods', Driver: 'depot' });
    rmSync(join(fixture.root, 'data', 'volumes', 'goods'), { recursive: true });
    fixture.restart();
    expect((await list()).Volumes.map(({ Name }) => Name)).toEqual(['goods']);
    expect(await inspect('goods')).toMatchObject({ Driver: 'depot' });
    expect(await create({ Name: 'goods' })).toMatchObject({ Driver: 'depot' });
    await expect(create({ Name: 'goods', Driver: 'local' })).rejects.toMatchObject({
      kind: 'Conflict',
      message: "create goods: driver 'depot' already has volume 'goods': volume name must be unique",
    });
  });

  it.each<[string, (specs: string) => Promise<VolumePlugin>]>([
    [
      'by a .spec over TCP',
      async (specs) => {
        const other = new VolumePlugin('127.0.0.1:0', join(specs, '../other'), ['--scope', 'global']);
        const port = (await other.start()).split(' ')[1];
        writeFileSync(join(specs, 'other.spec'), `tcp://127.0.0.1:${port}\n`);
        return other;
      },
    ],
    [
      'by a .json',
      async (specs) => {
        const socket = join(specs, '../elsewhere.sock');
        const other = new VolumePlugin(socket, join(specs, '../other'), ['--scope', 'global']);
        await other.start();
        writeFileSync(join(specs, 'other.json'), JSON.stringify({ Name: 'other', Addr: `unix://${socket}` }));
        return other;
      },
    ],
    [
      'managed (v2), in a directory named by its id',
      async (specs) => {
        const socket = join(specs, '../plugins', 'a'.repeat(64), 'other.sock');
        const other = new VolumePlugin(socket, join(specs, '../other'), ['--scope', 'global']);
        await other.start();
        other.behave({ Activate: { err: 'managed plugins are not asked' } });
        return other;
      },
    ],
  ])('finds a plugin %s', async (_, start) => {
    const specs = join(fixture.root, 'specs');
    mkdirSync(specs);
    const other = await start(specs);
    try {
      expect(await create({ Name: 'there', Driver: 'other' })).toMatchObject({ Scope: 'global' });
      expect((await list()).Volumes).toMatchObject([{ Name: 'there', Driver: 'other', Scope: 'global' }]);
    } finally {
      await other.stop();
    }
  });

  it('gets along with the first version of the protocol', async () => {
    const old = new VolumePlugin(join(sockets(), 'old', 'old.sock'), join(fixture.root, 'old'), ['--old']);
    await old.start();
    await create({ Name: 'aged', Driver: 'old' });
    await fixture.attachments.acquire('c1', [plain('aged')]);
    await fixture.attachments.mount('c1');
    expect(await inspect('aged')).toMatchObject({ Mountpoint: join(old.data, 'volumes', 'aged') });
    expect((await list()).Volumes).toMatchObject([{ Name: 'aged', Driver: 'old' }]);
    await old.stop();
  });

  describe('that fail', () => {
    it.each([
      ['Create', 'hang', 'create goods: VolumeDriver.Create: plugin "depot" did not answer within 0.3 s'],
      ['Create', 'die', 'create goods: VolumeDriver.Create: plugin "depot" cannot be reached'],
      ['Create', { err: 'no space left' }, 'create goods: VolumeDriver.Create: no space left'],
      ['Create', 'garbage', 'answered with no JSON object: "<html>it works!</html>"'],
      ['Get', 'wrong', 'VolumeDriver.Get: plugin "depot" was asked for volume goods and answered with'],
      [
        'Activate',
        'hang',
        'error looking up volume plugin depot: Plugin.Activate: plugin "depot" did not answer',
      ],
      [
        'Activate',
        'wrong',
        'error looking up volume plugin depot: Plugin does not implement the requested driver',
      ],
    ] as const)('at %s (%j) make no volume', async (method, behaviour, message) => {
      plugin.behave({ [method]: behaviour });
      if (behaviour === 'hang') fixture.plugins[method === 'Create' ? 'longestMs' : 'answerMs'] = 300;
      await expect(create({ Name: 'goods', Driver: 'depot' })).rejects.toThrow(message);
      expect(fixture.volumes.all()).toEqual([]);
      await eventually(() => expect(onDisk()).toEqual([]));
    });

    it.each([
      ['hang', 'did not answer within 0.3 s'],
      ['wrong', 'gave the mountpoint "/no/such/place", which is no directory of this host'],
      [{ err: 'the door is locked' }, 'VolumeDriver.Mount: the door is locked'],
    ] as const)('to mount (%j) leave nothing mounted', async (behaviour, message) => {
      await fixture.attachments.acquire('c1', [plain('own'), inDepot('goods')]);
      plugin.behave({ Mount: behaviour });
      if (behaviour === 'hang') fixture.plugins.longestMs = 300;
      await expect(fixture.attachments.mount('c1')).rejects.toMatchObject({
        kind: 'Internal',
        message: expect.stringContaining(message) as string,
      });
      plugin.behave({});
      fixture.plugins.longestMs = 20_000;
      await fixture.attachments.unmount('c1').catch(() => {});
      await fixture.attachments.mount('c1');
      expect(plugin.volumes()).toMatchObject({ goods: { users: ['c1'] } });
    });

    it('hold nothing else up', async () => {
      await create({ Name: 'goods', Driver: 'depot' });
      plugin.behave({ Get: 'hang', List: 'hang', Mount: 'hang' });
      await fixture.attachments.acquire('c1', [plain('goods')]);
      fixture.plugins.longestMs = 2_000;
      const stuck = fixture.attachments.mount('c1');
      stuck.catch(() => {});
      Object.assign(fixture.plugins, { answerMs: 300, glanceMs: 300 });
      await create({ Name: 'own', Driver: 'local' });
      await fixture.attachments.acquire('c2', [plain('own')]);
      await fixture.attachments.mount('c2');
      const { Volumes, Warnings } = await list();
      expect(Volumes.map(({ Name }) => Name).sort()).toEqual(['goods', 'own']);
      expect(Warnings).toEqual([expect.stringContaining('volume plugin "depot": ')]);
      await expect(stuck).rejects.toThrow('did not answer');
      await expect(inspect('goods')).rejects.toThrow('get goods: VolumeDriver.Get: plugin "depot" did not');
    });

    it('keep their volumes until told again; force forgets them', async () => {
      await create({ Name: 'goods', Driver: 'depot' });
      await plugin.stop();
      await expect(remove('goods')).rejects.toThrow(
        'remove goods: VolumeDriver.Remove: plugin "depot" cannot be',
      );
      expect(onDisk()).toEqual(['goods']);
      await remove('goods', true);
      await eventually(() => expect(onDisk()).toEqual([]));
    });

    it('cannot be found by a name that leads elsewhere', async () => {
      symlinkSync(join(sockets(), 'depot.sock'), join(fixture.root, 'evil.sock'));
      for (const Driver of ['../evil', 'a/b', '.', 'none']) {
        await expect(create({ Name: 'goods', Driver })).rejects.toMatchObject({ kind: 'NotFound' });
      }
    });
  });

  describe('after a crash', () => {
    const half = (name: string) => {
      const directory = join(fixture.root, 'data', 'volumes', `.creating-${name}-1`);
      mkdirSync(join(directory, 'refs'), { recursive: true });
      const record = { name, driver: 'depot', options: {}, labels: {}, createdAt: '', anonymous: false };
      writeFileSync(join(directory, 'volume.json'), JSON.stringify(record));
    };

    it('a creation that the plugin knows of is a volume, another one is not', async () => {
      await create({ Name: 'known', Driver: 'depot' });
      rmSync(join(fixture.root, 'data', 'volumes', 'known'), { recursive: true });
      half('known');
      half('unknown');
      fixture.restart();
      await eventually(() => expect(onDisk()).toEqual(['known']));
      expect(fixture.volumes.find('known')).toBeDefined();
    });

    it('a removal is carried on', async () => {
      await create({ Name: 'goods', Driver: 'depot' });
      writeFileSync(join(fixture.root, 'data', 'volumes', 'goods', 'removing'), '');
      fixture.restart();
      await eventually(() => expect(onDisk()).toEqual([]));
      expect(plugin.volumes()).toEqual({});
    });

    it('what a plugin may have mounted for nobody is unmounted, what is in use stays', async () => {
      await fixture.attachments.acquire('c1', [inDepot('goods')]);
      await fixture.attachments.acquire('c2', [inDepot('goods')]);
      await fixture.attachments.mount('c1');
      await fixture.attachments.mount('c2');
      const mark = join(fixture.root, 'run', 'volume-mounts', 'goods', 'c2');
      writeFileSync(mark, JSON.stringify({ path: '', announced: false }));
      fixture.restart();
      await eventually(() => expect(plugin.volumes()).toMatchObject({ goods: { users: ['c1'] } }));
      await eventually(() => expect(existsSync(mark)).toBe(false));
    });
  });
});
