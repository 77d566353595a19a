import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { docker, instance } from '../support/engine';
import { freshName } from '../support/containers';
import { eventually } from '../support/eventually';

/** Every form of -v, --mount, --tmpfs and --volumes-from of the stock CLI, with the effect read from the kernel. */
describe('docker run with mounts', () => {
  const host = mkdtempSync(join(tmpdir(), 'mounts-'));
  const shared = join(host, 'shared');
  const outer = join(host, 'outer');
  const volume = freshName('mounts');
  const seeded = freshName('seeded');
  const names: string[] = [];

  beforeAll(async () => {
    for (const directory of [shared, join(outer, 'inner')]) mkdirSync(directory, { recursive: true });
    writeFileSync(join(host, 'file'), 'one file\n');
    for (const place of [shared, join(outer, 'inner')]) mount('-t', 'tmpfs', 'gantry-test', place);
    mount('--make-shared', shared);
    const made = await run(
      ['-v', `${volume}:/v`],
      'mkdir -p /v/in/deep; echo deep >/v/in/deep/f; ln -s in/deep /v/inside; ln -s /etc /v/absolute; ln -s ../../.. /v/above',
    );
    expect(made.code).toBe(0);
  });
  afterAll(async () => {
    await docker(['rm', '-fv', ...names]);
    await docker(['volume', 'rm', '-f', volume, seeded]);
    for (const place of [shared, join(outer, 'inner')]) execFileSync('umount', ['-l', place]);
    rmSync(host, { recursive: true });
  });

  const run = (args: string[], command: string) =>
    docker(['run', '--rm', ...args, 'busybox', 'sh', '-c', command]);
  /** Of one mount point: options, propagation, type (proc(5), mountinfo without ids and source). */
  const SEE = `awk '$5=="/m"{print $6, $7, $(NF-2), $NF}' /proc/self/mountinfo`;
  const WRITE = 'touch /m/new 2>&1 && echo written';

  it.each<[string, string[], string, string | RegExp]>([
    ['-v of a volume', ['-v', `${volume}:/m`], 'cat /m/in/deep/f', 'deep\n'],
    ['-v of a volume, ro', ['-v', `${volume}:/m:ro`], `${SEE}; ${WRITE}`, /^ro[, ][^]*Read-only file system/],
    ['-v of a directory', ['-v', `${host}:/m`], 'cat /m/file', 'one file\n'],
    ['-v of a file', ['-v', `${host}/file:/m:ro`], 'cat /m; (echo x >/m) 2>&1', /^one file\n[^]*Read-only/],
    ['-v makes the directory', ['-v', `${host}/made/deeper:/m`], 'ls -d /m', '/m\n'],
    ['-v with rshared', ['-v', `${shared}:/m:rshared`], SEE, / shared:\d+ tmpfs/],
    ['-v with shared', ['-v', `${shared}:/m:shared`], SEE, / shared:\d+ tmpfs/],
    ['-v with rslave', ['-v', `${shared}:/m:rslave`], SEE, / master:\d+ tmpfs/],
    ['-v with slave', ['-v', `${shared}:/m:slave`], SEE, / master:\d+ tmpfs/],
    ['-v with rprivate', ['-v', `${shared}:/m:rprivate`], SEE, / - tmpfs/],
    ['-v with private', ['-v', `${shared}:/m:private`], SEE, / - tmpfs/],
    ['-v with the mounts below', ['-v', `${outer}:/o`], 'grep -c " /o/inner " /proc/mounts', '1\n'],
    ['-v ro, the mounts below too', ['-v', `${outer}:/o:ro`], 'touch /o/inner/x 2>&1', /Read-only/],
    ['--mount bind', ['--mount', `type=bind,src=${host},dst=/m`], 'cat /m/file', 'one file\n'],
    ['--mount bind, readonly', ['--mount', `type=bind,src=${host},dst=/m,readonly`], `${WRITE}`, /Read-only/],
    [
      '--mount bind, not recursive',
      ['--mount', `type=bind,src=${outer},dst=/o,bind-recursive=disabled`],
      'grep -c " /o" /proc/mounts; ls /o',
      '1\ninner\n',
    ],
    [
      '--mount bind, writable below',
      ['--mount', `type=bind,src=${outer},dst=/o,readonly,bind-recursive=writable`],
      'touch /o/inner/x && echo below; touch /o/x 2>&1',
      /^below\n[^]*Read-only/,
    ],
    [
      '--mount bind, readonly below',
      ['--mount', `type=bind,src=${outer},dst=/o,readonly,bind-recursive=readonly,bind-propagation=rprivate`],
      'touch /o/inner/y 2>&1',
      /Read-only/,
    ],
    [
      '--mount bind, propagation',
      ['--mount', `type=bind,src=${shared},dst=/m,bind-propagation=rslave`],
      SEE,
      / master:\d+ tmpfs/,
    ],
    ['--mount volume', ['--mount', `src=${volume},dst=/m`], 'cat /m/in/deep/f', 'deep\n'],
    ['--mount volume, readonly', ['--mount', `src=${volume},dst=/m,ro`], WRITE, /Read-only/],
    ['--mount volume without a name', ['--mount', 'type=volume,dst=/m'], WRITE, 'written\n'],
    ['--mount volume, nocopy', ['--mount', 'dst=/data,volume-nocopy'], 'ls /data | wc -l', '0\n'],
    ['--mount volume, copied', ['--mount', 'dst=/data'], 'cat /data/seed', 'image-content\n'],
    [
      '--mount volume with options',
      [
        '--mount',
        'dst=/m,volume-driver=local,volume-opt=type=tmpfs,volume-opt=device=tmpfs,"volume-opt=o=size=2m,uid=1500"',
      ],
      `${SEE}; stat -c %u /m`,
      /tmpfs rw,size=2048k,uid=1500[^]*\n1500\n$/,
    ],
    ['--mount volume, subpath', ['--mount', `src=${volume},dst=/m,volume-subpath=in/deep`], 'ls /m', 'f\n'],
    [
      '--mount volume, subpath by a symlink that stays inside',
      ['--mount', `src=${volume},dst=/m,volume-subpath=inside`],
      'cat /m/f',
      'deep\n',
    ],
    [
      '--mount volume, subpath of a file',
      ['--mount', `src=${volume},dst=/m,volume-subpath=in/deep/f`],
      'cat /m',
      'deep\n',
    ],
    ['--mount tmpfs', ['--mount', 'type=tmpfs,dst=/m'], SEE, /nosuid,nodev,noexec[^]* tmpfs/],
    [
      '--mount tmpfs, size and mode',
      ['--mount', 'type=tmpfs,dst=/m,tmpfs-size=1m,tmpfs-mode=1770'],
      `${SEE}; stat -c %a /m`,
      /size=1024k[^]*\n1770\n$/,
    ],
    ['--tmpfs', ['--tmpfs', '/m:size=1m,exec'], SEE, /^(?!.*noexec).*size=1024k/],
    [
      'mounts in mounts, in whatever order',
      ['-v', `${host}:/m/a/b`, '--tmpfs', '/m', '--mount', 'dst=/m/a'],
      'ls /m /m/a; cat /m/a/b/file',
      '/m:\na\n\n/m/a:\nb\none file\n',
    ],
  ])('%s', async (_, args, command, expected) => {
    const { stdout, stderr } = await run(args, command);
    if (typeof expected === 'string') expect({ stdout, stderr }).toEqual({ stdout: expected, stderr: '' });
    else expect(stdout).toMatch(expected);
  });

  it.each<[string, string[], string]>([
    [
      'a missing source of --mount',
      ['--mount', `type=bind,src=${host}/none,dst=/m`],
      'bind source path does not exist',
    ],
    ['two mounts on one place', ['-v', 'aa:/m', '-v', 'bb:/m'], 'Duplicate mount point: /m'],
    ['propagation that the source cannot have', ['-v', `${outer}/inner:/m:rshared`], 'is not a shared mount'],
    [
      'a subpath through an absolute symlink',
      ['--mount', `src=${volume},dst=/m,volume-subpath=absolute`],
      'path concatenation escapes the base directory',
    ],
    [
      'a subpath through a symlink that leads out',
      ['--mount', `src=${volume},dst=/m,volume-subpath=above/etc`],
      'path concatenation escapes the base directory',
    ],
    [
      'a subpath that is not there',
      ['--mount', `src=${volume},dst=/m,volume-subpath=none`],
      'no such file or directory',
    ],
    [
      'a subpath with dots',
      ['--mount', `src=${volume},dst=/m,volume-subpath=../other`],
      'subpath must be a relative path within the volume',
    ],
    ['a mode of nothing', ['-v', `${host}:/m:nonsense`], 'invalid mode: nonsense'],
    ['nocopy of a directory', ['-v', `${host}:/m:nocopy`], 'field VolumeOptions must not be specified'],
    ['a relative directory', ['-v', 'a/b:/m'], 'includes invalid characters for a local volume name'],
  ])('refuses %s', async (_, args, message) => {
    const { code, stderr } = await run(args, 'true');
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
  });

  it('carries mounts to the container and back where the propagation says so', async () => {
    const name = freshName('propagation');
    names.push(name);
    const args = ['-v', `${shared}:/to:rslave`, '-v', `${shared}:/both:rshared`];
    await docker(['run', '-d', '--privileged', '--name', name, ...args, 'busybox', 'sleep', '300']);
    mkdirSync(join(shared, 'from-host'));
    mount('-t', 'tmpfs', 'from-host', join(shared, 'from-host'));
    const inside =
      'mkdir /both/back && mount -t tmpfs back /both/back; grep -c "^from-host\\|^back" /proc/mounts';
    const seen = await docker(['exec', name, 'sh', '-c', inside]);
    const backOnHost = readFileSync('/proc/mounts', 'utf8').includes(`${shared}/back tmpfs`);
    execFileSync('umount', [join(shared, 'from-host'), join(shared, 'back')]);
    expect({ seen: seen.stdout, backOnHost }).toEqual({ seen: '4\n', backOnHost: true });
  });

  it('takes the mounts of another container over, read-only on demand', async () => {
    const name = freshName('donor');
    names.push(name);
    await docker(['create', '--name', name, '-v', `${volume}:/v`, '-v', `${host}:/h:ro`, 'busybox', 'true']);
    const same = await run(['--volumes-from', name], 'cat /v/in/deep/f; touch /v/new /h/new 2>&1; ls /v/new');
    expect(same.stdout).toMatch(/^deep\n[^]*\/h\/new: Read-only file system\n\/v\/new\n$/);
    const readonly = await run(['--volumes-from', `${name}:ro`], 'touch /v/other 2>&1');
    expect(readonly.stdout).toContain('Read-only file system');
    const own = await run(['--volumes-from', name, '--tmpfs', '/v'], 'grep -c " /v tmpfs" /proc/mounts');
    expect(own.stdout).toBe('1\n');
    const refused = await run(['--volumes-from', `${name}:nocopy`], 'true');
    expect(refused.stderr).toContain('invalid mode: nocopy');
  });

  it('copies into an empty volume once, and never over what is there', async () => {
    const read = ['-v', `${seeded}:/data`];
    expect((await run(read, 'cat /data/seed; echo mine >/data/seed')).stdout).toBe('image-content\n');
    expect((await run(read, 'cat /data/seed')).stdout).toBe('mine\n');
  });

  it('is no way around what the host forbids for a mount', async () => {
    const [locked, strict] = [join(host, 'locked'), join(host, 'strict')];
    for (const place of [locked, strict]) mkdirSync(place);
    const forbidding = freshName('forbidding');
    try {
      mount('--bind', host, locked);
      mount('-o', 'remount,bind,ro', locked);
      mount('-t', 'tmpfs', '-o', 'nosuid,nodev,noexec,noatime', 'gantry-test', strict);
      for (const form of [
        ['-v', `${locked}:/m`],
        ['--mount', `type=bind,src=${locked},dst=/m,bind-recursive=disabled`],
      ]) {
        const { stdout } = await run(form, `${SEE}; ${WRITE}`);
        expect(stdout).toMatch(/^ro,/);
        expect(stdout).toContain('Read-only file system');
      }
      expect((await run(['-v', `${strict}:/m`], SEE)).stdout).toMatch(/^rw,nosuid,nodev,noexec,noatime /);
      expect((await run(['-v', `${strict}:/m:ro`], SEE)).stdout).toMatch(/^ro,nosuid,nodev,noexec,noatime /);
      const options = ['type=tmpfs', 'device=tmpfs', 'o=nosuid,noexec'].flatMap((option) => ['-o', option]);
      await docker(['volume', 'create', ...options, forbidding]);
      expect((await run(['-v', `${forbidding}:/m`], SEE)).stdout).toMatch(/^rw,nosuid,noexec,/);
      const shm = `awk '$5=="/dev/shm"{print $6}' /proc/self/mountinfo`;
      expect((await run(['--ipc', 'shareable'], shm)).stdout).toMatch(/^rw,nosuid,nodev,noexec,/);
    } finally {
      for (const place of [locked, strict]) execFileSync('umount', ['-l', place]);
      await docker(['volume', 'rm', '-f', forbidding]);
    }
  });

  it('leaves what it was mounted on as a dockerd does', async () => {
    const name = freshName('points');
    names.push(name);
    const places = [
      '-v',
      `${shared}:/a/b`,
      '-v',
      `${join(host, 'file')}:/f/file`,
      '-v',
      '/v',
      '--tmpfs',
      '/t',
    ];
    expect((await docker(['run', '--name', name, ...places, 'busybox', 'true'])).code).toBe(0);
    const upper = (await docker(['inspect', '-f', '{{.GraphDriver.Data.UpperDir}}', name])).stdout.trim();
    const modes = ['a', 'a/b', 'f', 'f/file', 'v', 't'].map(
      (path) => statSync(join(upper, path)).mode & 0o7777,
    );
    expect(modes).toEqual(modes.map(() => 0o755));
  });

  it('keeps no mount of its own when the containers are gone', async () => {
    await eventually(() => {
      const left = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
      const ours = [`${instance.runDir}/containers/pinned-mounts/`, `${instance.dataRoot}/volumes/`];
      const points = left.map((line) => line.split(' ')[4] ?? '');
      expect(points.filter((point) => ours.some((place) => point.startsWith(place)))).toEqual([]);
    });
    expect(existsSync(join(host, 'made', 'deeper'))).toBe(true);
  });

  describe('--mount of an image', () => {
    const image = 'type=image,src=busybox,dst=/m';

    it('shows what is in it and nothing else, read-only, with a subpath where asked for', async () => {
      expect(
        (await run(['--mount', image], `cat /m/data/seed; ls /m/.dockerenv; ${SEE}; ${WRITE}`)).stdout,
      ).toMatch(/^image-content\nro,\S+ - overlay \S+\n.*Read-only file system/);
      expect((await run(['--mount', `${image},image-subpath=data`], 'ls /m')).stdout).toBe('seed\n');
      expect((await run(['--mount', `${image},image-subpath=none`], 'true')).stderr).toContain(
        'no such file or directory',
      );
      const missing = await run(['--mount', 'type=image,src=nonesuch,dst=/m'], 'true');
      expect(missing.stderr).toContain('No such image: nonesuch:latest');
      expect(missing.stderr).not.toContain('Unable to find image');
    });

    it('keeps it, for its own container and for those that inherit it, and gives it back', async () => {
      const name = freshName('shows-image');
      names.push(name);
      await docker(['run', '-d', '--name', name, '--mount', image, 'busybox', 'sleep', '300']);
      expect((await run(['--volumes-from', name], 'cat /m/data/seed')).stdout).toBe('image-content\n');
      await docker(['restart', '-t', '0', name]);
      expect((await docker(['exec', name, 'cat', '/m/data/seed'])).stdout).toBe('image-content\n');
      const table = await docker(['exec', name, 'grep', ' /m ', '/proc/self/mountinfo']);
      const layer = /upperdir=(\S+)\/diff/.exec(table.stdout)?.[1] ?? '';
      expect(existsSync(layer)).toBe(true);
      await docker(['rm', '-f', name]);
      await eventually(() => expect(existsSync(layer)).toBe(false));
    });
  });
});

function mount(...args: string[]): void {
  execFileSync('mount', args);
}
