import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Fixture, plain } from '../volume-service.fixture';

const tmpfs = (name: string) => ({
  ...plain(name),
  options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=1500,noexec' },
});

describe('the volumes of containers', () => {
  let fixture: Fixture;
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.remove());

  const names = () => fixture.volumes.all().map(({ record }) => record.name);
  const mountsOf = (name: string) => {
    const mountpoint = fixture.local.mountpoint(name);
    return fixture.linux.mounts.listMounts().filter((mount) => mount.mountPoint === mountpoint);
  };

  it('takes all references or none', async () => {
    await fixture.volumes.create(plain('there'));
    await expect(
      fixture.attachments.acquire('c1', [
        plain('new'),
        plain('there'),
        { ...plain('bad'), driver: 'nodriver' },
      ]),
    ).rejects.toThrow('plugin "nodriver" not found');
    expect(names()).toEqual(['there']);
    expect(fixture.attachments.list()).toEqual([]);
  });

  it('can be asked twice', async () => {
    await fixture.attachments.acquire('c1', [plain('data')]);
    const [again] = await fixture.attachments.acquire('c1', [plain('data')]);
    expect(again).toMatchObject({ created: false });
    expect(fixture.attachments.list()).toEqual([{ containerId: 'c1', volume: 'data', mounted: false }]);
  });

  it('removes with the last container only what nobody named', async () => {
    const [anonymous] = await fixture.attachments.acquire('c1', [plain(''), plain('named')]);
    const name = anonymous?.volume.record.name ?? '';
    await fixture.attachments.acquire('c2', [plain(name)]);
    await fixture.attachments.release('c1', true);
    expect(names()).toEqual([name, 'named']);
    await fixture.attachments.release('c2', true);
    expect(names()).toEqual(['named']);
    await fixture.attachments.release('c2', true);
  });

  it('mounts once, and unmounts after the last container', async () => {
    await fixture.attachments.acquire('c1', [tmpfs('fast'), plain('data')]);
    await fixture.attachments.acquire('c2', [plain('fast')]);
    const uses = [{ name: 'fast', destination: '/f', readOnly: true, propagation: '' }];
    expect([...(await fixture.attachments.mount('c1', uses)).keys()].sort()).toEqual(['data', 'fast']);
    await fixture.attachments.mount('c2', uses);
    await fixture.attachments.mount('c2', uses);
    const [mount, ...more] = mountsOf('fast');
    expect(more).toEqual([]);
    expect(mount?.options).toContain('noexec');
    expect(mount?.superOptions).toEqual(expect.arrayContaining(['size=1024k', 'uid=1500']));
    await fixture.attachments.unmount('c1');
    expect(mountsOf('fast')).toHaveLength(1);
    await fixture.attachments.release('c2', false);
    expect(mountsOf('fast')).toEqual([]);
    const seen = fixture.events.filter(({ Actor }) => Actor.ID === 'fast').map(({ Action }) => Action);
    expect(seen).toEqual(['create', 'mount', 'mount', 'unmount', 'unmount']);
    expect(fixture.events.find(({ Action }) => Action === 'mount')?.Actor.Attributes).toEqual({
      container: 'c1',
      destination: '/f',
      driver: 'local',
      propagation: '',
      'read/write': 'false',
    });
  });

  it('binds a directory, with flags and propagation', async () => {
    const source = join(fixture.root, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'file'), 'content');
    const options = { type: 'none', device: source, o: 'bind,ro,rprivate' };
    await fixture.attachments.acquire('c1', [{ ...plain('bound'), options }]);
    await fixture.attachments.mount('c1');
    const mountpoint = fixture.local.mountpoint('bound');
    expect(readFileSync(join(mountpoint, 'file'), 'utf8')).toBe('content');
    expect(() => writeFileSync(join(mountpoint, 'file'), '')).toThrow('EROFS');
    await fixture.attachments.unmount('c1');
    await fixture.api.remove({ name: 'bound', force: false }).catch(() => {});
    expect(readFileSync(join(source, 'file'), 'utf8')).toBe('content');
  });

  it('says why the kernel does not mount, and leaves nothing mounted', async () => {
    const options = { type: 'none', device: '/does/not/exist', o: 'bind' };
    await fixture.attachments.acquire('c1', [tmpfs('good'), { ...plain('bad'), options }]);
    const mountpoint = fixture.local.mountpoint('bad');
    await expect(fixture.attachments.mount('c1')).rejects.toThrow(
      `error while mounting volume '${mountpoint}': failed to mount local volume: mount /does/not/exist:${mountpoint}: no such file or directory`,
    );
    expect(mountsOf('good')).toEqual([]);
  });

  it('goes on after a restart where it was', async () => {
    await fixture.attachments.acquire('c1', [tmpfs('used'), tmpfs('unused')]);
    await fixture.attachments.acquire('c2', [plain('used')]);
    await fixture.attachments.mount('c2');
    const { options } = tmpfs('unused');
    fixture.linux.mounts.mount(
      'tmpfs',
      fixture.local.mountpoint('unused'),
      'tmpfs',
      0,
      options.o.split(',')[0],
    );
    fixture.restart();
    expect(mountsOf('used')).toHaveLength(1);
    expect(mountsOf('unused')).toEqual([]);
    expect(fixture.attachments.list()).toContainEqual({ containerId: 'c2', volume: 'used', mounted: true });
    await fixture.attachments.unmount('c2');
    expect(mountsOf('used')).toEqual([]);
  });

  describe('copy-up', () => {
    let rootfs: string;
    beforeEach(async () => {
      rootfs = join(fixture.root, 'rootfs');
      mkdirSync(join(rootfs, 'data/sub'), { recursive: true });
      await fixture.attachments.acquire('c1', [plain('data')]);
    });
    const populate = (path = '/data', subpath = '') =>
      fixture.attachments.populate({ containerId: 'c1', name: 'data', rootfs, path, subpath });
    const inVolume = (path: string) => join(fixture.local.mountpoint('data'), path);

    it('copies everything a file can be', async () => {
      const { files } = fixture.linux;
      writeFileSync(join(rootfs, 'data/sub/tool'), 'binary');
      chownSync(join(rootfs, 'data/sub/tool'), 1500, 1600);
      chmodSync(join(rootfs, 'data/sub/tool'), 0o4751);
      linkSync(join(rootfs, 'data/sub/tool'), join(rootfs, 'data/link'));
      files.setXattr(join(rootfs, 'data/sub/tool'), 'trusted.gantry', Buffer.from('kept'));
      symlinkSync('/etc/passwd', join(rootfs, 'data/symlink'));
      files.mkfifoAt(-100, join(rootfs, 'data/fifo'), 0o640);
      files.mknodAt(-100, join(rootfs, 'data/null'), 0o020666, 1, 3);
      chownSync(join(rootfs, 'data'), 70, 71);
      chmodSync(join(rootfs, 'data'), 0o1770);
      utimesSync(join(rootfs, 'data/sub'), 1000, 2000);

      await populate();
      const tool = statSync(inVolume('sub/tool'));
      expect([tool.mode & 0o7777, tool.uid, tool.gid, tool.nlink]).toEqual([0o4751, 1500, 1600, 2]);
      expect(statSync(inVolume('link')).ino).toBe(tool.ino);
      expect(files.getXattr(inVolume('sub/tool'), 'trusted.gantry')?.toString()).toBe('kept');
      expect(readlinkSync(inVolume('symlink'))).toBe('/etc/passwd');
      expect(lstatSync(inVolume('fifo')).isFIFO()).toBe(true);
      expect(files.statAt(-100, inVolume('null'))).toMatchObject({ major: 1, minor: 3 });
      expect(statSync(inVolume('sub')).mtimeMs).toBe(2_000_000);
      const top = statSync(inVolume('.'));
      expect([top.mode & 0o7777, top.uid, top.gid]).toEqual([0o1770, 70, 71]);
    });

    it('leaves alone a volume that holds something', async () => {
      writeFileSync(join(rootfs, 'data/from-image'), '');
      writeFileSync(inVolume('own'), '');
      await populate();
      expect(readdirSync(inVolume('.'))).toEqual(['own']);
    });

    it('copies into the very directory that another container sees', async () => {
      await fixture.attachments.acquire('c2', [plain('data')]);
      await fixture.attachments.mount('c2');
      const before = statSync(inVolume('.')).ino;
      await populate();
      expect(statSync(inVolume('.')).ino).toBe(before);
      expect(readdirSync(inVolume('.'))).toEqual(['sub']);
    });

    it('copies into an empty directory of the volume', async () => {
      mkdirSync(inVolume('part'));
      writeFileSync(inVolume('other'), '');
      await populate('/data', 'part');
      expect(readdirSync(inVolume('part'))).toEqual(['sub']);
    });

    it('never leaves the volume', async () => {
      const outside = join(fixture.root, 'outside');
      mkdirSync(outside);
      symlinkSync(outside, inVolume('out'));
      for (const subpath of ['out', '../../../outside', 'missing']) await populate('/data', subpath);
      expect(readdirSync(outside)).toEqual([]);
      expect(readdirSync(inVolume('.'))).toEqual(['out']);
    });

    it('never leaves the root file system', async () => {
      const outside = join(fixture.root, 'outside');
      mkdirSync(outside);
      writeFileSync(join(outside, 'secret'), '');
      symlinkSync(outside, join(rootfs, 'out'));
      symlinkSync('../../../../../../../..' + outside, join(rootfs, 'up'));
      await populate('/out');
      await populate('/up');
      await populate('/../outside');
      await populate('/missing');
      expect(readdirSync(inVolume('.'))).toEqual([]);
    });
  });
});
