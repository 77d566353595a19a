import { execFileSync } from 'node:child_process';
import { tarOf } from '../support/busybox-image';
import { createContainer, removeContainer, startContainer } from '../support/containers';
import { dockerEnvironment } from '../support/docker-cli';
import { api, docker, dockerHost } from '../support/engine';

interface PathStat {
  name: string;
  size: number;
  mode: number;
  linkTarget: string;
}

/** Of Go's os.FileMode. */
const [DIRECTORY, SYMLINK, PIPE] = [0x80000000, 0x08000000, 0x02000000];

/** HEAD, GET and PUT /containers/{id}/archive, of containers that run and that do not: the answers are dockerd's. */
describe.each(['running', 'stopped'])('the archive of a container that is %s', (state) => {
  const volume = `archive-${state}-${process.pid}`;
  let id: string;

  beforeAll(async () => {
    const prepare =
      'mkdir -p /d/sub /e; echo hi > /d/f; ln -s f /d/link; ln -s /d /dl; ln -s /nowhere /broken; ln -s ../../../etc /d/up;' +
      'ln -s loop /loop; chown 1500:1600 /d/f; mkfifo /d/p; echo v > /vol/x; touch /ready; exec sleep 300';
    const host = { Binds: [`${volume}:/vol`], NetworkMode: 'none' };
    id = await startContainer({ cmd: ['sh', '-c', prepare], config: { Hostname: 'arch' }, host });
    await docker(['exec', id, 'sh', '-c', 'until [ -e /ready ]; do sleep .02; done']);
    if (state === 'stopped') await api.post(`/containers/${id}/kill`);
  });
  afterAll(async () => {
    await removeContainer(id);
    await api.delete(`/volumes/${volume}`);
  });

  const at = (path: string, more = '') => `/containers/${id}/archive?path=${encodeURIComponent(path)}${more}`;
  const stat = async (path: string) => {
    const { status, headers } = await api.head(at(path));
    const header = headers['x-docker-container-path-stat'];
    if (typeof header !== 'string') return status;
    const { name, mode, linkTarget } = JSON.parse(Buffer.from(header, 'base64').toString()) as PathStat;
    return [name, mode, linkTarget];
  };
  const put = async (path: string, entries: Parameters<typeof tarOf>[0], more = '') => {
    const { status, body } = await api.put<{ message?: string } | null>(at(path, more), await tarOf(entries));
    return status === 200 ? 200 : [status, body?.message];
  };
  const file = (name: string, more: object = {}) => ({
    header: { name, uid: 5, gid: 6, ...more },
    body: Buffer.from('x'),
  });
  const directory = (name: string) => ({ header: { name: `${name}/`, type: 'directory' as const } });
  it.each<[string, unknown]>([
    ['/d', ['d', DIRECTORY + 0o755, '']],
    ['/d/', ['d', DIRECTORY + 0o755, '']],
    ['/d/.', ['.', DIRECTORY + 0o755, '']],
    ['d/f', ['f', 0o644, '']],
    ['/d/../d/f', ['f', 0o644, '']],
    ['/../../d/f', ['f', 0o644, '']],
    ['/d/link', ['link', SYMLINK + 0o777, '/d/f']],
    ['/d/p', ['p', PIPE + 0o644, '']],
    ['/dl', ['dl', SYMLINK + 0o777, '/d']],
    ['/dl/', ['dl', DIRECTORY + 0o755, '']],
    ['/dl/f', ['f', 0o644, '']],
    ['/broken', ['broken', SYMLINK + 0o777, '/nowhere']],
    ['/d/up', ['up', SYMLINK + 0o777, '/etc']],
    ['/d/up/', ['up', DIRECTORY + 0o755, '']],
    ['/vol/x', ['x', 0o644, '']],
    ['/', ['/', DIRECTORY + 0o755, '']],
    ['/broken/', 404],
    ['/none', 404],
    ['/loop/x', 404],
  ])('%s is %j', async (path, shown) => {
    expect(await stat(path)).toEqual(shown);
    expect((await api.get(at(path))).status).toBe(typeof shown === 'number' ? shown : 200);
  });

  it('has the files that the engine writes for it', async () => {
    const shown = await docker(['cp', `${id}:/etc/hostname`, '-']);
    expect(shown.stdout).toContain('arch\n');
    expect(await put('/etc', [file('hosts')])).toEqual([500, 'unlinkat /etc/hosts: device or resource busy']);
    expect(await put('/', [file('vol')])).toEqual([500, 'unlinkat /vol: device or resource busy']);
    expect(await stat('/vol')).toEqual(['vol', DIRECTORY + 0o755, '']);
  });

  it('is whole from its root on, without what the kernel shows', async () => {
    const command = `docker cp ${id}:/ - | tar -tP`;
    const env = dockerEnvironment(dockerHost);
    const names = execFileSync('sh', ['-c', command], { env, encoding: 'utf8' }).split('\n');
    expect(names).toEqual(expect.arrayContaining(['/etc/hostname', '/vol/x', '/proc/', '/dev/', '/sys/']));
    expect(names.filter((name) => /^\/((proc|sys)\/.|dev\/null)/.test(name))).toEqual([]);
  });

  it('takes files where they belong, symlinks followed as inside', async () => {
    expect(await put('/dl', [file('new')])).toBe(200);
    expect(await stat('/d/new')).toEqual(['new', 0o644, '']);
    expect(await put('/vol', [file('put')])).toBe(200);
    expect(await stat('/vol/put')).toEqual(['put', 0o644, '']);
    expect(await put('/e', [directory('deep/er'), file('deep/er/f')])).toBe(200);
    expect(
      await put('/e', [{ header: { name: 'out', type: 'symlink', linkname: '/etc' } }, file('out/led')]),
    ).toBe(200);
    expect(await stat('/etc/led')).toEqual(['led', 0o644, '']);
  });

  it('keeps directories and others apart where asked to', async () => {
    const apart = '&noOverwriteDirNonDir=1';
    expect(await put('/d', [directory('f')], apart)).toEqual([
      400,
      'cannot overwrite non-directory "/d/f" with directory "/d"',
    ]);
    expect(await put('/d', [file('sub')], apart)).toEqual([
      400,
      'cannot overwrite directory "/d/sub" with non-directory "/d"',
    ]);
    expect(await put('/d', [directory('link')], apart)).toEqual([
      400,
      'cannot overwrite non-directory "/d/link" with directory "/d"',
    ]);
    expect(await stat('/d/sub')).toEqual(['sub', DIRECTORY + 0o755, '']);
    expect(await put('/d', [file('sub')])).toBe(200);
    expect(await stat('/d/sub')).toEqual(['sub', 0o644, '']);
  });

  it('refuses what has no place, or would have one outside', async () => {
    const missing = (path: string) => [404, `Could not find the file ${path} in container ${id}`];
    expect(await put('/none', [file('x')])).toEqual(missing('/none'));
    expect(await put('/broken', [file('x')])).toEqual(missing('/broken'));
    expect(await put('/d/f', [file('x')])).toEqual([400, 'extraction point is not a directory']);
    expect(await put('/e', [file('../../evil')])).toEqual([
      400,
      'Error processing tar file: "../../evil" is outside of "/e"',
    ]);
    const link = (linkname: string) => [{ header: { name: 'hard', type: 'link' as const, linkname } }];
    expect(await put('/e', link('nothing'))).toEqual([
      500,
      'link /e/nothing /e/hard: no such file or directory',
    ]);
    expect(await put('/e', link('/d/f'))).toEqual([500, 'link /e/d/f /e/hard: no such file or directory']);
    expect((await api.put(at('/e'), Buffer.alloc(1000, 'x'))).status).toBe(400);
    expect((await api.put(`/containers/${id}/archive`, Buffer.alloc(0))).status).toBe(400);
  });
});

describe('owners and places that are read-only', () => {
  const made: string[] = [];
  const created = async (wanted: Parameters<typeof createContainer>[0]) => {
    const id = await createContainer(wanted);
    made.push(id);
    return id;
  };
  afterAll(async () => {
    for (const id of made) await removeContainer(id);
  });

  it('are those of the archive, or by copyUIDGID of the user of the container', async () => {
    const id = await created({ config: { User: 'bob' } });
    const archive = await tarOf([{ header: { name: 'f', uid: 5, gid: 6 }, body: Buffer.from('x') }]);
    for (const [path, more] of [
      ['/tmp', '&copyUIDGID=1'],
      ['/data', ''],
    ]) {
      expect((await api.put(`/containers/${id}/archive?path=${path}${more}`, archive)).status).toBe(200);
    }
    await docker(['commit', id, 'owners']);
    const shown = await docker(['run', '--rm', 'owners', 'stat', '-c', '%u:%g', '/tmp/f', '/data/f']);
    expect(shown.stdout).toBe('1500:1600\n5:6\n');
    await api.delete('/images/owners?force=1');
  });

  it('take nothing', async () => {
    const refused = async (id: string, path: string) => {
      const { status, body } = await api.put<{ message: string }>(
        `/containers/${id}/archive?path=${path}`,
        await tarOf([]),
      );
      return [status, body?.message];
    };
    const readonly = await created({ host: { ReadonlyRootfs: true, Tmpfs: {} } });
    expect(await refused(readonly, '/data')).toEqual([403, 'container rootfs is marked read-only']);
    const bound = await created({ host: { Binds: ['/tmp:/mnt:ro'] } });
    expect(await refused(bound, '/mnt/')).toEqual([403, 'mounted volume is marked read-only']);
  });
});
