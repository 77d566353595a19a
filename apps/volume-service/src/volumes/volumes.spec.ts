import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromJson } from '@gantry/shared/grpc';
import { Fixture, plain } from '../volume-service.fixture';
import type { ApiVolume } from './volume';

describe('volumes', () => {
  let fixture: Fixture;
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.remove());

  const create = async (config: object) =>
    fromJson<ApiVolume>(await fixture.api.create({ config: Buffer.from(JSON.stringify(config)) }));
  const terms = (filters: Record<string, string[]>) => ({
    filters: { terms: Object.fromEntries(Object.entries(filters).map(([k, values]) => [k, { values }])) },
  });
  const names = async (filters: Record<string, string[]> = {}) =>
    fromJson<{ Volumes: ApiVolume[] }>(await fixture.api.list(terms(filters)))
      .Volumes.map((volume) => volume.Name)
      .sort();
  const actions = () => fixture.events.map((event) => `${event.Action} ${event.Actor.ID}`);

  it('makes a directory that only root can list', async () => {
    const volume = await create({ Name: 'data', Labels: { k: 'v' } });
    expect(volume).toMatchObject({
      Name: 'data',
      Driver: 'local',
      Scope: 'local',
      Labels: { k: 'v' },
      Options: null,
    });
    expect(volume.CreatedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const mode = (path: string) => statSync(path).mode & 0o777;
    expect(mode(volume.Mountpoint)).toBe(0o755);
    expect(mode(join(volume.Mountpoint, '..'))).toBe(0o710);
    expect(mode(join(volume.Mountpoint, '../..'))).toBe(0o710);
    expect(fixture.events[0]).toMatchObject({
      Type: 'volume',
      Action: 'create',
      Actor: { Attributes: { driver: 'local' } },
    });
  });

  it('gives back the volume that exists, and refuses to make another of it', async () => {
    const tmpfs = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' };
    await create({ Name: 'data', DriverOpts: tmpfs, Labels: { k: 'v' } });
    expect(await create({ Name: 'data' })).toMatchObject({ Labels: { k: 'v' } });
    await create({ Name: 'data', Driver: 'local', DriverOpts: tmpfs });
    await expect(create({ Name: 'data', DriverOpts: { ...tmpfs, o: 'size=2m' } })).rejects.toMatchObject({
      kind: 'Conflict',
      message: expect.stringContaining('volume name must be unique'),
    });
    expect(actions()).toEqual(['create data']);
  });

  it('names what nobody named', async () => {
    const volume = await create({});
    expect(volume.Name).toMatch(/^[0-9a-f]{64}$/);
    expect(volume.Labels).toEqual({ 'com.docker.volume.anonymous': '' });
  });

  it('refuses what is none of its field', async () => {
    await expect(create({ Name: 'typed', Labels: 'x' as never })).rejects.toMatchObject({
      kind: 'InvalidArgument',
      message:
        'invalid JSON: json: cannot unmarshal string into Go struct field CreateRequest.Labels of type map[string]string',
    });
  });

  it.each([
    [
      'a/b',
      '"a/b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
    ],
    ['..', '".." includes invalid characters'],
    ['.creating-x', 'includes invalid characters'],
    ['a', 'volume name is too short, names should be at least two alphanumeric characters'],
  ])('refuses the name %s', async (name, message) => {
    await expect(create({ Name: name })).rejects.toMatchObject({
      kind: 'InvalidArgument',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    [
      { Driver: 'nodriver' },
      'NotFound',
      'create vol: error looking up volume plugin nodriver: plugin "nodriver" not found',
    ],
    [{ DriverOpts: { colour: 'red' } }, 'InvalidArgument', 'create vol: invalid option: "colour"'],
    [{ DriverOpts: { type: 'tmpfs' } }, 'InvalidArgument', 'create vol: missing required option: "device"'],
    [
      { DriverOpts: { size: '1m' } },
      'InvalidArgument',
      'create vol: quota size requested but no quota support',
    ],
  ])('refuses %j', async (config, kind, message) => {
    await expect(create({ Name: 'vol', ...config })).rejects.toMatchObject({ kind, message });
    expect(await names()).toEqual([]);
  });

  it('lists by filter', async () => {
    await create({ Name: 'apple', Labels: { fruit: 'yes' } });
    await create({ Name: 'pear', Labels: { fruit: 'no' } });
    await fixture.attachments.acquire('c1', [plain('pear')]);
    expect(await names()).toEqual(['apple', 'pear']);
    expect(await names({ dangling: ['true'] })).toEqual(['apple']);
    expect(await names({ dangling: ['0'] })).toEqual(['pear']);
    expect(await names({ name: ['^a', 'nothing'] })).toEqual(['apple']);
    expect(await names({ label: ['fruit'] })).toEqual(['apple', 'pear']);
    expect(await names({ label: ['fruit=no'] })).toEqual(['pear']);
    expect(await names({ driver: ['other'] })).toEqual([]);
    await expect(names({ colour: ['red'] })).rejects.toThrow("invalid filter 'colour'");
  });

  it('removes what nobody uses', async () => {
    const { Mountpoint } = await create({ Name: 'data' });
    await fixture.attachments.acquire('c1', [plain('data')]);
    await expect(fixture.api.remove({ name: 'data', force: true })).rejects.toMatchObject({
      kind: 'Conflict',
      message: 'remove data: volume is in use - [c1]',
    });
    await fixture.attachments.release('c1', false);
    await fixture.api.remove({ name: 'data', force: false });
    expect(existsSync(Mountpoint)).toBe(false);
    expect(actions().at(-1)).toBe('destroy data');
    await expect(fixture.api.remove({ name: 'data', force: false })).rejects.toMatchObject({
      kind: 'NotFound',
      message: 'get data: no such volume',
    });
    await fixture.api.remove({ name: 'data', force: true });
    await expect(fixture.api.inspect({ name: 'data' })).rejects.toThrow('get data: no such volume');
  });

  it('prunes the anonymous, or all', async () => {
    const anonymous = await create({});
    writeFileSync(join(anonymous.Mountpoint, 'file'), Buffer.alloc(1000));
    await create({ Name: 'keep', Labels: { keep: '' } });
    await create({ Name: 'named' });
    await fixture.attachments.acquire('c1', [plain('used')]);
    const prune = async (filters: Record<string, string[]>) =>
      fromJson(await fixture.api.prune(terms(filters)));
    expect(await prune({})).toEqual({ VolumesDeleted: [anonymous.Name], SpaceReclaimed: 1000 });
    expect(await prune({ all: ['true'], 'label!': ['keep'] })).toMatchObject({ VolumesDeleted: ['named'] });
    expect(await names()).toEqual(['keep', 'used']);
    expect(fixture.events.at(-1)).toMatchObject({
      Action: 'prune',
      Actor: { Attributes: { reclaimed: '0' } },
    });
  });

  it('counts the bytes of a file once, however many links it has', async () => {
    const { Mountpoint } = await create({ Name: 'data' });
    mkdirSync(join(Mountpoint, 'sub'));
    writeFileSync(join(Mountpoint, 'sub/a'), Buffer.alloc(500));
    fixture.linux.files.linkAt(-100, join(Mountpoint, 'sub/a'), -100, join(Mountpoint, 'b'));
    const usage = fromJson<ApiVolume[]>(await fixture.api.diskUsage());
    expect(usage).toMatchObject([{ Name: 'data', UsageData: { Size: 500, RefCount: 0 } }]);
  });

  it('finds everything again after a restart, and ends what was half-done', async () => {
    const { Mountpoint } = await create({ Name: 'data', Labels: { k: 'v' } });
    await fixture.attachments.acquire('c1', [plain('data')]);
    const root = join(Mountpoint, '../..');
    mkdirSync(join(root, '.creating-x-1'));
    mkdirSync(join(root, '.removing-y-1/_data'), { recursive: true });
    mkdirSync(join(root, '.spare-z-1/_data'), { recursive: true });
    mkdirSync(join(root, 'fromdockerd/_data'), { recursive: true });
    fixture.restart();
    expect(await names()).toEqual(['data', 'fromdockerd']);
    expect(fixture.index.rows).toEqual(
      new Map([
        ['data', ['c1']],
        ['fromdockerd', []],
      ]),
    );
    await expect(fixture.api.remove({ name: 'data', force: false })).rejects.toThrow('in use - [c1]');
    while (readdirSync(root).some((name) => name.startsWith('.'))) await new Promise(setImmediate);
  });

  it('keeps the data of a volume whose record a power cut has emptied', async () => {
    const { Mountpoint } = await create({ Name: 'data' });
    writeFileSync(join(Mountpoint, 'rows'), 'precious');
    writeFileSync(join(Mountpoint, '../volume.json'), '');
    fixture.restart();
    expect(await names()).toEqual(['data']);
    expect((await create({ Name: 'data' })).Mountpoint).toBe(Mountpoint);
    expect(readFileSync(join(Mountpoint, 'rows'), 'utf8')).toBe('precious');
  });

  it('is made where a directory of that name has nothing but marks of containers', async () => {
    const { Mountpoint } = await create({ Name: 'data' });
    const root = join(Mountpoint, '../..');
    mkdirSync(join(root, 'lost/refs'), { recursive: true });
    writeFileSync(join(root, 'lost/refs/c1'), '');
    await create({ Name: 'lost' });
    expect(readdirSync(join(root, 'lost')).sort()).toEqual(['_data', 'volume.json']);
  });

  describe('after the first, for which directories are made ahead,', () => {
    let root: string;
    const spares = () =>
      readdirSync(root)
        .filter((name) => name.startsWith('.spare-'))
        .map((name) => join(root, name));
    beforeEach(async () => {
      root = join((await create({ Name: 'first' })).Mountpoint, '../..');
      while (spares().length === 0) await new Promise(setImmediate);
    });

    it('has the same modes', async () => {
      for (const name of ['second', 'third']) await create({ Name: name });
      const mode = (path: string) => (statSync(join(root, path)).mode & 0o7777).toString(8);
      for (const name of ['first', 'second', 'third']) {
        expect([name, `${name}/_data`, `${name}/volume.json`].map(mode)).toEqual(['710', '755', '600']);
      }
    });

    it('is made though somebody has taken those away', async () => {
      for (const spare of spares()) rmSync(spare, { recursive: true });
      await create({ Name: 'second' });
      expect(await names()).toEqual(['first', 'second']);
      expect(existsSync(join(root, 'second/_data'))).toBe(true);
    });
  });

  it('makes one volume out of creations that come at once', async () => {
    await Promise.all(Array.from({ length: 20 }, () => create({ Name: 'data' })));
    expect(actions()).toEqual(['create data']);
  });
});
