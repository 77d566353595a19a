import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { docker, instance } from '../support/engine';
import { freshName } from '../support/containers';
import { eventually } from '../support/eventually';
import { VolumePlugin } from '../support/volume-plugin';

/** `docker volume` of the stock CLI, and volumes of a plugin that knows nothing of Gantry. */
describe('docker volume', () => {
  const label = freshName('of');
  const volumes = join(instance.dataRoot, 'volumes');
  const names: string[] = [];
  const named = (what: string): string => {
    const name = freshName(what);
    names.push(name);
    return name;
  };
  const output = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await docker(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.trim();
  };
  const create = (...args: string[]) => output('volume', 'create', '--label', label, ...args);
  const list = async (...filters: string[]) =>
    (await output('volume', 'ls', '-q', '-f', `label=${label}`, ...filters.flatMap((each) => ['-f', each])))
      .split('\n')
      .filter(Boolean)
      .sort();
  const inspect = async (name: string) =>
    (JSON.parse(await output('volume', 'inspect', name)) as Record<string, unknown>[])[0];
  const mountsOf = (name: string) =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(` ${join(volumes, name, '_data')} `));

  afterAll(async () => {
    await docker(['volume', 'rm', '-f', ...names]);
  });

  it('creates, shows, lists and removes', async () => {
    const [plain, tmpfs] = [named('plain'), named('tmpfs')];
    expect(await create('--label', 'k=v', plain)).toBe(plain);
    await create('-d', 'local', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m,uid=1500', tmpfs);
    const anonymous = await create();
    names.push(anonymous);
    expect(anonymous).toMatch(/^[0-9a-f]{64}$/);
    expect(await inspect(plain)).toEqual({
      CreatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
      Driver: 'local',
      Labels: { [label]: '', k: 'v' },
      Mountpoint: join(volumes, plain, '_data'),
      Name: plain,
      Options: null,
      Scope: 'local',
    });
    expect(await inspect(tmpfs)).toMatchObject({ Options: { type: 'tmpfs', o: 'size=1m,uid=1500' } });
    expect(await list()).toEqual([plain, tmpfs, anonymous].sort());
    expect(await list(`name=${plain.slice(0, -1)}`)).toEqual([plain]);
    expect(await list('label=k=v')).toEqual([plain]);
    expect(await list('driver=local', 'dangling=true')).toHaveLength(3);
    expect(await output('volume', 'rm', plain, tmpfs, anonymous)).toBe([plain, tmpfs, anonymous].join('\n'));
    expect(await list()).toEqual([]);
    await eventually(() => expect(existsSync(join(volumes, plain))).toBe(false));
  });

  it.each([
    [['volume', 'create', 'a/b'], 'includes invalid characters for a local volume name'],
    [['volume', 'create', 'x'], 'volume name is too short'],
    [['volume', 'create', '-o', 'colour=red', 'colour'], 'invalid option: "colour"'],
    [['volume', 'create', '-o', 'type=tmpfs', 'half'], 'missing required option: "device"'],
    [['volume', 'create', '-o', 'size=lots', 'lots'], "create lots: invalid size: 'lots'"],
    [['volume', 'create', '-d', 'nodriver', 'other'], 'plugin "nodriver" not found'],
    [['volume', 'inspect', 'nonesuch'], 'no such volume'],
    [['volume', 'rm', 'nonesuch'], 'get nonesuch: no such volume'],
    [['volume', 'ls', '-f', 'colour=red'], "invalid filter 'colour'"],
  ])('docker %j says what is wrong', async (args, message) => {
    const { code, stderr } = await docker(args);
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
  });

  it('does not make another volume of a name, nor take one from a container', async () => {
    const name = named('taken');
    await create(name);
    const options = ['-o', 'type=tmpfs', '-o', 'device=tmpfs'];
    const other = await docker(['volume', 'create', ...options, name]);
    expect(other.stderr).toContain('volume name must be unique');
    const id = await output('create', '-v', `${name}:/v`, 'busybox');
    const refused = await docker(['volume', 'rm', '-f', name]);
    expect(refused.stderr).toContain(`remove ${name}: volume is in use - [${id}]`);
    expect(await list('dangling=true')).toEqual([]);
    await output('rm', id);
    await output('volume', 'rm', '-f', name, 'nonesuch');
  });

  it('prunes what nobody named, all on demand, and tells the space', async () => {
    const [kept, used] = [named('kept'), named('used')];
    await create(kept);
    const anonymous = await create();
    execFileSync('truncate', ['-s', '3000', join(volumes, anonymous, '_data', 'file')]);
    const id = await output('create', '-v', `${used}:/v`, 'busybox');
    const filter = ['--filter', `label=${label}`];
    const first = await output('volume', 'prune', '-f', ...filter);
    expect(first).toBe(`Deleted Volumes:\n${anonymous}\n\nTotal reclaimed space: 3kB`);
    const all = await output('volume', 'prune', '-fa', ...filter);
    expect(all).toBe(`Deleted Volumes:\n${kept}\n\nTotal reclaimed space: 0B`);
    expect(existsSync(join(volumes, used))).toBe(true);
    await output('rm', id);
  });

  it('is one mount for all containers that have it, and none after the last', async () => {
    const name = named('shared');
    await create('-o', 'type=tmpfs', '-o', 'device=tmpfs', name);
    const run = ['run', '-d', '-v', `${name}:/v`, 'busybox', 'sleep', '300'];
    const ids = await Promise.all([output(...run), output(...run), output(...run)]);
    expect(mountsOf(name)).toHaveLength(1);
    await output('rm', '-f', ids[0] ?? '', ids[1] ?? '');
    expect(mountsOf(name)).toHaveLength(1);
    await output('rm', '-f', ids[2] ?? '');
    await eventually(() => expect(mountsOf(name)).toEqual([]));
  });

  it('takes a file system in a file, as mount(8) does', async () => {
    const [name, image] = [named('loop'), join(instance.runDir, 'loop-image')];
    execFileSync('truncate', ['-s', '4M', image]);
    execFileSync('mkfs.ext4', ['-q', image]);
    await create('-o', 'type=ext4', '-o', `device=${image}`, '-o', 'o=loop,noatime', name);
    const run = (command: string) =>
      output('run', '--rm', '-v', `${name}:/v`, 'busybox', 'sh', '-c', command);
    await run('echo inside >/v/f');
    expect(await run('cat /v/f; grep -o "/v ext4 rw,noatime" /proc/mounts')).toBe(
      'inside\n/v ext4 rw,noatime',
    );
    await eventually(() => expect(mountsOf(name)).toEqual([]));
    rmSync(image);
    const failed = await docker(['run', '--rm', '-v', `${name}:/v`, 'busybox', 'true']);
    expect(failed.stderr).toContain(`failed to mount local volume: mount ${image}:`);
  });

  it('shows nothing to other users of the host', () => {
    expect(statSync(volumes).mode & 0o777).toBe(0o710);
    const asNobody = (...argv: string[]) =>
      execFileSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', ...argv], {
        stdio: 'ignore',
      });
    expect(() => asNobody('ls', volumes)).toThrow();
    expect(() => asNobody('stat', join(volumes, names[0] ?? '', '_data'))).toThrow();
  });

  describe('of a plugin', () => {
    const driver = freshName('depot');
    const sockets = join(instance.runDir, 'plugins');
    const plugin = new VolumePlugin(join(sockets, `${driver}.sock`), join(instance.runDir, driver));
    beforeAll(async () => {
      mkdirSync(sockets, { recursive: true });
      await plugin.start();
    });
    afterAll(async () => {
      await plugin.stop();
      rmSync(join(sockets, `${driver}.sock`), { force: true });
      rmSync(plugin.data, { recursive: true, force: true });
    });
    const run = (...args: string[]) => docker(['run', '--rm', ...args]);

    it('keeps data in the plugin, whatever container asks', async () => {
      const name = named('goods');
      await create('-d', driver, '-o', 'shelf=3', name);
      const mount = `type=volume,src=${name},dst=/v,volume-driver=${driver}`;
      await run('--mount', mount, 'busybox', 'sh', '-c', 'echo stored >/v/f');
      expect(readFileSync(join(plugin.data, 'volumes', name, 'f'), 'utf8')).toBe('stored\n');
      const read = await run('-v', `${name}:/v:ro`, 'busybox', 'sh', '-c', 'cat /v/f; touch /v/g 2>&1');
      expect(read.stdout).toMatch(/^stored\n[^]*Read-only file system/);
      const made = named('made');
      const copied = await run(
        '--volume-driver',
        driver,
        '-v',
        `${made}:/data`,
        'busybox',
        'cat',
        '/data/seed',
      );
      expect(copied.stdout).toBe('image-content\n');
      expect(readdirSync(join(plugin.data, 'volumes')).sort()).toEqual([name, made].sort());
      await eventually(() =>
        expect(plugin.volumes()).toMatchObject({ [name]: { users: [] }, [made]: { users: [] } }),
      );
      expect(await list(`driver=${driver}`)).toEqual([name]);
      await output('volume', 'rm', name, made);
      expect(plugin.volumes()).toEqual({});
    });

    it('that does not do what it should gives an error, and is the only thing that suffers', async () => {
      const name = named('stuck');
      await create('-d', driver, name);
      plugin.behave({ Mount: { err: 'the door is locked' } });
      const refused = await run('-v', `${name}:/v`, 'busybox', 'true');
      expect(refused.code).toBe(125);
      expect(refused.stderr).toContain('VolumeDriver.Mount: the door is locked');
      plugin.behave({ Mount: 'die' });
      const died = await run('-v', `${name}:/v`, 'busybox', 'true');
      expect(died.stderr).toContain(`VolumeDriver.Mount: plugin "${driver}" cannot be reached`);
      const other = await run('-v', `${named('own')}:/v`, 'busybox', 'echo', 'runs');
      expect(other.stdout).toBe('runs\n');
      plugin.behave({});
      await plugin.start();
      expect((await run('-v', `${name}:/v`, 'busybox', 'echo', 'again')).stdout).toBe('again\n');
      // What was asked of it while it was away is asked again.
      await eventually(() => output('volume', 'rm', name));
    });
  });
});
