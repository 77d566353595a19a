import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxRootfs } from '../support/busybox-image';
import { dockerOn } from '../support/docker-cli';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { describeInMachine } from '../support/kernel-machine';
import { TestInstance } from '../support/test-instance';

const sh = (script: string): string => execFileSync('sh', ['-ec', script], { encoding: 'utf8' });

/** More than the limit of 20 MiB, and where it ends. */
const FILL = (path: string) => `dd if=/dev/zero of=${path} bs=1M count=30 2>&1; stat -c %s ${path}`;
const MIB = 2 ** 20;

/** An engine whose data is on a file system with project quotas. */
describeInMachine('project quotas', () => {
  describe.each([
    ['xfs', 'mkfs.xfs -q', 'No space left on device', 'xfs'],
    ['ext4', 'mkfs.ext4 -q -O quota,project', 'Disk quota exceeded', 'extfs'],
  ])('of %s: limits of layers and volumes', limits);
});

function limits(_type: string, make: string, full: string, dockerdsName: string): void {
  const [disk, place, faults] = ['disk', 'place', 'faults'].map((name) => join('/srv/quotas', name)) as [
    string,
    string,
    string,
  ];
  let own: TestInstance;
  let docker: (...args: string[]) => Promise<string>;
  let cli: ReturnType<typeof dockerOn>;
  jest.setTimeout(600_000);

  beforeAll(async () => {
    for (const directory of [place, faults]) mkdirSync(directory, { recursive: true });
    sh(
      `truncate -s 2G ${disk}; ${make} ${disk}; mount -o loop,prjquota ${disk} ${place}; chmod 711 ${place}`,
    );
    own = await TestInstance.start(`gq${Math.random().toString(36).slice(2, 8)}`, {
      dataRoot: join(place, 'data'),
      env: { GANTRY_FAULT_DIR: faults },
    });
    cli = dockerOn(own.dockerHost);
    docker = async (...args) => {
      const { code, stdout, stderr } = await cli(args);
      if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
      return stdout.trim();
    };
    await new EngineClient(own.socket).post(
      '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
      await busyboxRootfs(),
    );
  });
  afterAll(async () => {
    await own?.clean();
    sh(`umount -l ${place}; rm -r /srv/quotas`);
  });

  afterEach(async () => {
    const left = (await docker('ps', '-aq')).split('\n').filter(Boolean);
    if (left.length > 0) await docker('rm', '-f', ...left);
    await docker('volume', 'prune', '-af');
  });

  /** The projects that the file system has a limit of, or something in. */
  const projects = (): string[] =>
    sh(`xfs_quota -f -x -c 'report -p -n -N' ${place}`)
      .split('\n')
      .filter((line) => /^#\d+ /.test(line) && !line.startsWith('#0 ') && !/^#\d+\s+0\s+0\s+0\s/.test(line));
  const noProjects = () => eventually(() => expect(projects()).toEqual([]));

  async function overfills(where: string, ...args: string[]): Promise<void> {
    const written = await docker(...args, 'sh', '-c', FILL(where));
    expect(written).toContain(full);
    const size = Number(written.split('\n').at(-1));
    expect(size).toBeGreaterThan(19 * MIB);
    expect(size).toBeLessThanOrEqual(20 * MIB);
  }

  it('docker info says what is below', async () => {
    expect(await docker('info', '-f', '{{.DriverStatus}}')).toContain(`[Backing Filesystem ${dockerdsName}]`);
  });

  it('--storage-opt size: a container is full at its limit, and no other is', async () => {
    const run = ['run', '-d', '--storage-opt', 'size=20M', 'busybox', 'sleep', '600'];
    const [first, second] = [await docker(...run), await docker(...run)];
    expect(await docker('inspect', '-f', '{{json .HostConfig.StorageOpt}}', first)).toBe('{"size":"20M"}');
    await overfills('/f', 'exec', first);
    expect(await docker('exec', first, 'df', '-m', '/')).toMatch(/\s20\s+\d+\s+0\s+100% \/$/);
    await docker('exec', second, 'dd', 'if=/dev/zero', 'of=/f', 'bs=1M', 'count=15');
    const large = '/srv/quotas/large';
    writeFileSync(large, Buffer.alloc(8 * MIB));
    expect((await cli(['cp', large, `${second}:/large`])).stderr).toContain(full.toLowerCase());
    await docker('exec', first, 'rm', '/f');
    await overfills('/again', 'exec', first);
    expect(projects()).toHaveLength(2);
    await docker('rm', '-f', first, second);
    await noProjects();
  });

  it('the limit is that of the container after restarts and crashes', async () => {
    const id = await docker('run', '-d', '--storage-opt', 'size=20M', 'busybox', 'sleep', '600');
    await docker('exec', id, 'dd', 'if=/dev/zero', 'of=/kept', 'bs=1M', 'count=10');
    await own.kill('image');
    await eventually(() => docker('restart', '-t', '0', id));
    await own.stop();
    await own.startAgain();
    const written = await docker('exec', id, 'sh', '-c', FILL('/f'));
    expect(written).toContain(full);
    expect(Number(written.split('\n').at(-1))).toBeLessThanOrEqual(10 * MIB);
    await docker('rm', '-f', id);
    await noProjects();
  });

  it('volumes: -o size', async () => {
    for (const name of ['one', 'two']) await docker('volume', 'create', '-o', 'size=20m', name);
    expect(await docker('volume', 'inspect', '-f', '{{.Options}}', 'one')).toBe('map[size:20m]');
    const volumes = ['-v', 'one:/one', '-v', 'two:/two'];
    await overfills('/one/f', 'run', '--rm', ...volumes, 'busybox');
    await own.kill('volume');
    await eventually(() => docker('volume', 'ls'));
    await overfills('/two/f', 'run', '--rm', ...volumes, 'busybox');
    expect(await docker('run', '--rm', '-v', 'one:/one', 'busybox', 'df', '-m', '/one')).toMatch(
      /\s20\s+\d+\s+0\s+100% \/one$/,
    );
    await docker('volume', 'rm', 'one', 'two');
    await noProjects();
  });

  it.each(['snapshot-begun', 'layer-out-of-the-way'])('a crash leaves no project: %s', async (point) => {
    const create = ['create', '--storage-opt', 'size=20M', 'busybox', 'true'];
    const id = point === 'snapshot-begun' ? undefined : await docker(...create);
    writeFileSync(join(faults, point), '');
    await cli(id ? ['rm', id] : create);
    await noProjects();
    if (id) await eventually(async () => expect((await cli(['inspect', id])).code).toBe(1));
  });

  it.each(['volume-made-by-driver', 'volume-unnamed'])('a crash leaves no project: %s', async (point) => {
    const create = ['volume', 'create', '-o', 'size=20M', 'doomed'];
    if (point === 'volume-unnamed') await docker(...create);
    writeFileSync(join(faults, point), '');
    await cli(point === 'volume-unnamed' ? ['volume', 'rm', 'doomed'] : create);
    await noProjects();
  });
}
