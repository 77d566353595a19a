import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Bytes, Empty } from '@gantry/proto/common';
import type {
  ArchiveReference,
  ArchiveResponse,
  ContainerReference,
  PutArchiveRequest,
} from '@gantry/proto/container';
import { fromJson } from '@gantry/shared/grpc';
import { TarReader, tarOf, type TarEntry } from '@gantry/shared/tar';
import { ContainerLocks } from '../lifecycle/container-locks';
import { ContainerFiles } from '../lifecycle/container-files';
import { ImageMounts } from '../lifecycle/image-mounts';
import { UserRemapping } from '../lifecycle/user-remapping';
import { VolumeMounts } from '../lifecycle/volume-mounts';
import type { ContainerCleaner } from '../lifecycle/container-cleaner';
import type { ContainerRecord } from '../records/container-record';
import { FakeCall, RealContainers } from '../running-container.fixture';
import type { ServicePeers } from '../service-peers';
import type { InstanceConfig } from '@gantry/shared/config';
import { ArchiveService } from './archive.service';
import { ContainerViews } from './container-views';
import { containerPath, goBase, goFileMode } from './path-stat';

describe('goFileMode', () => {
  it.each([
    [0o100644, 0o644],
    [0o040755, 0x800001ed],
    [0o120777, 0x80001ff],
    [0o104755, 0o755 + 2 ** 23],
    [0o041777, 2 ** 31 + 2 ** 20 + 0o777],
    [0o020620, 2 ** 26 + 2 ** 21 + 0o620],
  ])('%o is %d', (mode, expected) => expect(goFileMode(mode)).toBe(expected));
});

it.each([
  ['etc/passwd', '/etc/passwd', 'passwd'],
  ['/a/../b/', '/b/', 'b'],
  ['/home/.', '/home/.', '.'],
  ['/../..', '/', '/'],
  ['/', '/', '/'],
  ['', '/', '/'],
])('the path %j is %j', (given, path, base) => {
  expect(containerPath(given)).toBe(path);
  expect(goBase(path)).toBe(base);
});

const usable =
  process.getuid?.() === 0 &&
  ['/usr/bin/conmon', '/usr/bin/crun', '/bin/busybox'].every((path) => existsSync(path));

(usable ? describe : describe.skip)('archives of real containers (root, conmon, crun, busybox)', () => {
  let real: RealContainers;
  let archive: ArchiveService;
  let views: ContainerViews;
  let running: ContainerRecord;
  let stopped: ContainerRecord;
  let rootfs: string;

  beforeAll(async () => {
    real = new RealContainers();
    rootfs = join(real.directory, 'rootfs');
    const peers = {
      snapshots: { mount: async () => ({ rootfs }), unmount: async () => ({}) },
      volumes: { mount: async () => ({}), unmount: async () => ({}) },
    } as unknown as ServicePeers;
    const cleaner = { finished: async () => {} } as unknown as ContainerCleaner;
    const remapping = new UserRemapping({} as InstanceConfig);
    views = new ContainerViews(
      real.linux,
      real.paths,
      peers,
      new ContainerLocks(),
      cleaner,
      new ImageMounts(peers, remapping),
      new ContainerFiles(real.linux, real.paths, real.store, remapping),
      new VolumeMounts(peers),
      remapping,
    );
    archive = new ArchiveService(real.linux, real.store, views, real.containerEvents);
    running = await real.run({ args: ['sleep', '1000'] });
    stopped = real.add({ args: ['true'] });
    mkdirSync(join(real.directory, 'volume'));
    stopped.mounts = [
      {
        Type: 'bind',
        Source: join(real.directory, 'volume'),
        Destination: '/vol/deep',
        RW: true,
        recursive: false,
      },
      {
        Type: 'bind',
        Source: join(real.directory, 'volume'),
        Destination: '/fixed',
        RW: false,
        recursive: false,
      },
    ] as unknown as ContainerRecord['mounts'];
  });
  afterAll(() => real.close());

  const unpacked = (bytes: Buffer) => {
    const entries: (TarEntry & { data: string })[] = [];
    const reader = new TarReader({
      entry: (entry) => entries.push({ ...entry, data: '' }),
      content: (data) => void ((entries.at(-1) as { data: string }).data += data.toString()),
      endOfEntry: () => {},
    });
    reader.write(bytes);
    reader.end();
    return entries;
  };
  const get = async (container: string, path: string) => {
    const call = new FakeCall<ArchiveReference, ArchiveResponse>();
    call.request = { container, path };
    await archive.get(call.serverStream);
    const data = call.heard.flatMap(({ message }) => (message?.$case === 'data' ? [message.value] : []));
    return unpacked(Buffer.concat(data));
  };
  const put = async (container: string, path: string, bytes: Buffer, more: object = {}) => {
    const call = new FakeCall<PutArchiveRequest, Empty>();
    const value = { container, path, noOverwriteDirNonDir: false, copyUidGid: false, ...more };
    call.say({ message: { $case: 'start', value } });
    for (let at = 0; at < bytes.length; at += 700) {
      call.say({ message: { $case: 'data', value: bytes.subarray(at, at + 700) } });
    }
    call.finish();
    await archive.put(call.clientStream);
  };
  const stat = async (container: string, path: string) =>
    fromJson<{ name: string; size: number; mode: number; linkTarget: string }>(
      (await archive.stat({ container, path })).stat,
    );

  it('go into a running container and come out again with all that files have', async () => {
    const members = tarOf([
      {
        name: 'd/',
        type: 'directory',
        mode: 0o750,
        uid: 1500,
        gid: 1600,
        mtime: { seconds: 1000, nanoseconds: 5 },
      },
      {
        name: 'd/f',
        type: 'file',
        data: 'payload',
        mode: 0o4640,
        uid: 1500,
        gid: 1600,
        mtime: { seconds: 2000, nanoseconds: 7 },
      },
      { name: 'd/hard', type: 'link', linkName: 'd/f' },
      { name: 'd/soft', type: 'symlink', linkName: 'f' },
      { name: 'd/pipe', type: 'fifo', mode: 0o600 },
    ]);
    await put(running.name, '/tmp', members);
    expect(readFileSync(`/proc/${running.state.Pid}/root/tmp/d/hard`, 'utf8')).toBe('payload');
    expect(await get(running.name, '/tmp/d')).toMatchObject([
      {
        name: 'd/',
        type: 'directory',
        mode: 0o750,
        uid: 1500,
        gid: 1600,
        mtime: { seconds: 1000, nanoseconds: 5 },
      },
      {
        name: 'd/f',
        type: 'file',
        data: 'payload',
        mode: 0o4640,
        uid: 1500,
        mtime: { seconds: 2000, nanoseconds: 7 },
      },
      { name: 'd/hard', type: 'link', linkName: 'd/f' },
      { name: 'd/pipe', type: 'fifo' },
      { name: 'd/soft', type: 'symlink', linkName: 'f' },
    ]);
    expect((await get(running.name, '/tmp/d/.')).map(({ name }) => name)).toEqual([
      './',
      './f',
      './hard',
      './pipe',
      './soft',
    ]);
    expect(await get(running.name, 'tmp/d/soft')).toMatchObject([{ name: 'soft', type: 'symlink' }]);
    expect(await stat(running.name, '/tmp/d/soft')).toMatchObject({ name: 'soft', linkTarget: '/tmp/d/f' });
    expect(await stat(running.name, '/tmp/d/f')).toMatchObject({
      name: 'f',
      size: 7,
      mode: goFileMode(0o104640),
    });
  });

  it('take compressed archives', async () => {
    await put(
      running.name,
      '/tmp',
      gzipSync(tarOf([{ name: 'zipped', type: 'file', data: 'z'.repeat(5000) }])),
    );
    expect((await get(running.name, '/tmp/zipped'))[0]?.data).toHaveLength(5000);
    await expect(
      put(running.name, '/tmp', Buffer.concat([gzipSync('x').subarray(0, 12), Buffer.alloc(600)])),
    ).rejects.toThrow('gzip');
  });

  it('of a stopped container go through its mounts, also through those never made before', async () => {
    await put(stopped.name, '/vol/deep', tarOf([{ name: 'f', type: 'file', data: 'in the volume' }]));
    expect(readFileSync(join(real.directory, 'volume/f'), 'utf8')).toBe('in the volume');
    expect(await get(stopped.name, '/vol/deep/f')).toMatchObject([{ name: 'f', data: 'in the volume' }]);
    expect(real.linux.mounts.listMounts().filter(({ mountPoint }) => mountPoint.includes('views'))).toEqual(
      [],
    );
    await expect(put(stopped.name, '/fixed', tarOf([]))).rejects.toThrow(
      'mounted volume is marked read-only',
    );
  });

  it("are refused in dockerd's words", async () => {
    const missing = 'Could not find the file /no/such in container';
    await expect(stat(running.name, '/no/such')).rejects.toThrow(`${missing} ${running.name}`);
    await expect(get(running.name, '/no/such')).rejects.toThrow(missing);
    await expect(put(running.name, '/no/such', tarOf([]))).rejects.toThrow(missing);
    await expect(put(running.name, '/etc/passwd', tarOf([]))).rejects.toThrow(
      'extraction point is not a directory',
    );
    stopped.hostConfig.ReadonlyRootfs = true;
    await expect(put(stopped.name, '/tmp', tarOf([]))).rejects.toThrow(
      'container rootfs is marked read-only',
    );
    stopped.hostConfig.ReadonlyRootfs = false;
  });

  it('keep directories and files apart where asked to', async () => {
    mkdirSync(join(rootfs, 'tmp/apart'));
    const asFile = tarOf([{ name: 'apart', type: 'file', data: 'x' }]);
    await expect(put(running.name, '/tmp', asFile, { noOverwriteDirNonDir: true })).rejects.toThrow(
      'cannot overwrite directory',
    );
    await put(running.name, '/tmp', asFile);
    expect(lstatSync(join(rootfs, 'tmp/apart')).isFile()).toBe(true);
    const asDirectory = tarOf([{ name: 'apart', type: 'directory' }]);
    await expect(put(running.name, '/tmp', asDirectory, { noOverwriteDirNonDir: true })).rejects.toThrow(
      'cannot overwrite non-directory',
    );
  });

  it('of a stopped container find read-only what it has read-only, wherever they are led', async () => {
    const peeked = real.add({ args: ['true'] });
    peeked.mounts = stopped.mounts;
    await views.use(peeked, true, async ({ path }) => {
      expect(() => writeFileSync(join(path, 'fixed/planted'), '')).toThrow('EROFS');
      writeFileSync(join(path, 'vol/deep/mine'), '');
    });
  });

  it.each(['running', 'stopped'])('cannot be led out of a %s container', async (which) => {
    const record = which === 'running' ? running : stopped;
    const outside = join(real.directory, 'outside');
    rmSync(outside, { recursive: true, force: true });
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret'), 'host');
    chmodSync(outside, 0o755);
    rmSync(join(rootfs, 'trap'), { force: true });
    symlinkSync(outside, join(rootfs, 'trap'));
    await expect(stat(record.name, '/trap/secret')).rejects.toThrow('Could not find the file');
    await expect(put(record.name, '/tmp', tarOf([{ name: '../../x', type: 'file' }]))).rejects.toThrow(
      'is outside of',
    );
    await expect(
      put(record.name, '/tmp', tarOf([{ name: 'hl', type: 'link', linkName: '../../../etc/hostname' }])),
    ).rejects.toThrow('is outside of');
    const throughLink = tarOf([
      { name: `l-${which}`, type: 'symlink', linkName: outside },
      { name: `l-${which}/planted`, type: 'file', data: 'evil' },
    ]);
    await put(record.name, '/tmp', throughLink).catch(() => {});
    expect(existsSync(join(outside, 'planted'))).toBe(false);
    expect(readlinkSync(join(rootfs, `tmp/l-${which}`))).toBe(outside);
  });

  it('exports the whole file system', async () => {
    const call = new FakeCall<ContainerReference, Bytes>();
    call.request = { container: stopped.name };
    await archive.export(call.serverStream);
    const names = unpacked(Buffer.concat(call.heard.map(({ data }) => data))).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['bin/', 'bin/busybox', 'etc/passwd', 'tmp/']));
    expect(names).not.toContain('/');
  });
});
