import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pack, type Header } from 'tar-stream';
import { eventually } from '../../../../test/support/eventually';
import { Fixture, plain, volumesIn } from '../volume-service.fixture';

describe('backup, restore and clones of volumes', () => {
  let fixture: Fixture;
  beforeEach(async () => {
    fixture = new Fixture();
    await fixture.volumes.create(plain('data'));
  });
  afterEach(() => fixture.remove());

  const place = (volume: string, path = '.') => join(fixture.local.mountpoint(volume), path);
  const onDisk = () => volumesIn(fixture.root);

  async function exported(name: string, zstd = false): Promise<Buffer> {
    const parts: Buffer[] = [];
    await fixture.archives.export(name, zstd, async ({ content }) => {
      for await (const part of content) parts.push(part);
    });
    return Buffer.concat(parts);
  }
  const imported = (name: string, archive: Buffer, digest = '') =>
    fixture.archives.import({ name, digest, content: chunks(archive) });

  function fill(volume: string): void {
    const { files } = fixture.linux;
    mkdirSync(place(volume, 'sub'));
    writeFileSync(place(volume, 'sub/tool'), 'binary');
    chownSync(place(volume, 'sub/tool'), 1500, 1600);
    chmodSync(place(volume, 'sub/tool'), 0o4751);
    linkSync(place(volume, 'sub/tool'), place(volume, 'link'));
    files.setXattr(place(volume, 'sub/tool'), 'trusted.gantry', Buffer.from('kept'));
    symlinkSync('/etc/passwd', place(volume, 'symlink'));
    files.mkfifoAt(-100, place(volume, 'fifo'), 0o640);
    chownSync(place(volume), 70, 71);
    chmodSync(place(volume), 0o1770);
    utimesSync(place(volume, 'sub'), 1000, 2000);
  }

  function expectFilled(volume: string): void {
    const tool = statSync(place(volume, 'sub/tool'));
    expect([tool.mode & 0o7777, tool.uid, tool.gid, tool.nlink]).toEqual([0o4751, 1500, 1600, 2]);
    expect(readFileSync(place(volume, 'link'), 'utf8')).toBe('binary');
    expect(fixture.linux.files.getXattr(place(volume, 'sub/tool'), 'trusted.gantry')?.toString()).toBe(
      'kept',
    );
    expect(readlinkSync(place(volume, 'symlink'))).toBe('/etc/passwd');
    expect(lstatSync(place(volume, 'fifo')).isFIFO()).toBe(true);
    expect(statSync(place(volume, 'sub')).mtimeMs).toBe(2_000_000);
    const top = statSync(place(volume));
    expect([top.mode & 0o7777, top.uid, top.gid]).toEqual([0o1770, 70, 71]);
  }

  it.each([false, true])('brings everything back, into a new volume too (zstd: %s)', async (zstd) => {
    fill('data');
    const archive = await exported('data', zstd);
    await imported('another', archive);
    expectFilled('another');
    writeFileSync(place('data', 'later'), '');
    const digest = `sha256:${createHash('sha256').update(archive).digest('hex')}`;
    expect(await imported('data', archive, digest)).toEqual({ digest, entries: 6 });
    expectFilled('data');
    expect(existsSync(place('data', 'later'))).toBe(false);
    await eventually(() => expect(onDisk()).toEqual(['another', 'data']));
  });

  it.each<[string, (archive: Buffer) => Promise<Buffer> | Buffer, string]>([
    ['another digest', (archive) => archive, 'the archive has the digest sha256:'],
    ['an archive that breaks off', (archive) => archive.subarray(0, 2000), 'unexpected EOF'],
    ['no archive', () => Buffer.alloc(600, 'x'), 'archive/tar'],
    ['a path that leads out', () => tar({ name: '../out' }), 'is outside of'],
  ])('changes nothing for %s', async (_, change, message) => {
    fill('data');
    writeFileSync(place('data', 'mine'), '');
    const archive = await change(await exported('data'));
    const digest = message.includes('digest') ? `sha256:${'0'.repeat(64)}` : '';
    await expect(imported('data', archive, digest)).rejects.toThrow(message);
    expectFilled('data');
    expect(existsSync(place('data', 'mine'))).toBe(true);
    await expect(imported('fresh', archive, digest)).rejects.toThrow(message);
    await eventually(() => expect(onDisk()).toEqual(['data']));
  });

  it('writes nothing through a symlink of the archive', async () => {
    const archive = await tar(
      { name: 'out', type: 'symlink', linkname: fixture.root },
      { name: 'up', type: 'symlink', linkname: '../../..' },
      { name: 'out/stolen' },
      { name: 'up/stolen' },
    );
    await imported('data', archive).catch(() => {});
    expect(readdirSync(fixture.root).filter((name) => name === 'stolen')).toEqual([]);
    expect(existsSync(join(fixture.root, 'data', 'stolen'))).toBe(false);
  });

  it('does not take a volume from under a running container, nor one that is a mount', async () => {
    const archive = await exported('data');
    await fixture.attachments.acquire('c1', [plain('data')]);
    await fixture.attachments.mount('c1');
    await expect(imported('data', archive)).rejects.toMatchObject({
      kind: 'Conflict',
      message: 'volume data is used by running containers: stop them first - [c1]',
    });
    const options = { type: 'tmpfs', device: 'tmpfs' };
    await fixture.volumes.create({ ...plain('fast'), options });
    await expect(imported('fast', archive)).rejects.toMatchObject({ kind: 'NotImplemented' });
  });

  it('copies a volume in use until nothing changes, and says so where that never comes', async () => {
    fill('data');
    await fixture.attachments.acquire('c1', [plain('data')]);
    await fixture.attachments.mount('c1');
    await imported('copied', await exported('data'));
    expectFilled('copied');
    // Changes whenever it has just been looked at.
    const look = fixture.linux.files.statAt.bind(fixture.linux.files);
    const spy = jest.spyOn(fixture.linux.files, 'statAt').mockImplementation((directory, name) => {
      const found = look(directory, name);
      if (name === 'tool') appendFileSync(place('data', 'sub/tool'), 'x');
      return found;
    });
    await expect(exported('data')).rejects.toMatchObject({
      kind: 'Conflict',
      message: 'volume data is being written to: pause or stop the containers that have it - [c1]',
    });
    spy.mockRestore();
    await eventually(() => expect(onDisk()).toEqual(['copied', 'data']));
  });

  it('finds out that a volume changes while it is packed', async () => {
    fill('data');
    const archive = fixture.archives.export('data', false, async ({ content }) => {
      for await (const part of content) if (part.length > 0) writeFileSync(place('data', 'new'), '');
    });
    await expect(archive).rejects.toThrow('volume data has changed while it was archived');
  });

  it('reads volumes that are mounts, and lets go of them', async () => {
    const source = join(fixture.root, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'file'), 'bound');
    const options = { type: 'none', device: source, o: 'bind' };
    await fixture.volumes.create({ ...plain('bound'), options });
    await imported('copied', await exported('bound'));
    expect(readFileSync(place('copied', 'file'), 'utf8')).toBe('bound');
    expect(fixture.local.isMounted('bound')).toBe(false);
  });

  const clone = (source: string, name: string) =>
    fixture.archives.clone(source, { ...plain(name), driver: 'local', labels: { of: source } });

  it('clones', async () => {
    fill('data');
    expect((await clone('data', 'copy')).record).toMatchObject({ name: 'copy', labels: { of: 'data' } });
    expectFilled('copy');
    await expect(clone('data', 'copy')).rejects.toThrow('a volume named copy exists already');
    await expect(clone('data', 'data')).rejects.toThrow('cannot be a clone of itself');
    await expect(clone('nothing', 'other')).rejects.toThrow('get nothing: no such volume');
    expect(onDisk()).toEqual(['copy', 'data']);
  });

  const kernel = readFileSync('/proc/filesystems', 'utf8');
  const canBtrfs = kernel.includes('\tbtrfs') && existsSync('/usr/sbin/mkfs.btrfs');
  // Of a host without btrfs or its tools there is nothing to be seen.
  (canBtrfs ? it : it.skip)('shares blocks with its clone where the file system can', async () => {
    const image = join(fixture.root, 'image');
    const volumes = join(fixture.root, 'data', 'volumes');
    writeFileSync(image, '');
    truncateSync(image, 256 * 2 ** 20);
    execFileSync('mkfs.btrfs', ['-q', image]);
    execFileSync('mount', ['-o', 'loop', image, volumes]);
    try {
      fixture.restart();
      await fixture.volumes.create(plain('large'));
      writeFileSync(place('large', 'file'), Buffer.alloc(64 * 2 ** 20, 'x'));
      await fixture.linux.mounts.syncfs(volumes);
      const free = () => statfsSync(volumes).bavail * statfsSync(volumes).bsize;
      const before = free();
      await clone('large', 'shared');
      await fixture.linux.mounts.syncfs(volumes);
      expect(before - free()).toBeLessThan(8 * 2 ** 20);
      appendFileSync(place('shared', 'file'), 'more');
      expect(statSync(place('large', 'file')).size).toBe(64 * 2 ** 20);
    } finally {
      execFileSync('umount', ['-l', volumes]);
    }
  });
});

async function* chunks(archive: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < archive.length; at += 700) yield archive.subarray(at, at + 700);
}

async function tar(...entries: (Partial<Header> & { name: string })[]): Promise<Buffer> {
  const archive = pack();
  for (const entry of entries) archive.entry(entry as Header, entry.type === 'symlink' ? '' : 'content');
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
