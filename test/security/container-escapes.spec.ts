import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxRootfs } from '../support/busybox-image';
import {
  createContainer,
  freshName,
  removeContainer,
  runContainer,
  startContainer,
} from '../support/containers';
import { api, docker, instance } from '../support/engine';
import { imageArchive } from '../support/image-archive';
import { rawTar } from '../support/raw-tar';

type Entry = Parameters<typeof rawTar>[0][number];

const SECRET = 'what only the host knows';
const END_OF_ARCHIVE = 1024;

let host: string;
const containers: string[] = [];
const images: string[] = [];
const volumes: string[] = [];

beforeAll(() => {
  host = mkdtempSync(join(tmpdir(), 'escape-'));
  mkdirSync(join(host, 'directory'));
  writeFileSync(join(host, 'secret'), SECRET);
});
afterEach(() => {
  expect(readdirSync(host)).toEqual(['directory', 'secret']);
  expect(readdirSync(join(host, 'directory'))).toEqual([]);
});
afterAll(async () => {
  await Promise.all(containers.map((id) => removeContainer(id)));
  await Promise.all(images.map((name) => api.delete(`/images/${name}?force=1`)));
  await Promise.all(volumes.map((name) => api.delete(`/volumes/${name}`)));
  rmSync(host, { recursive: true });
});

const symlink = (name: string, linkName: string): Entry => ({ name, flag: '2', linkName });

/** busybox with these entries over it. */
async function hostileImage(entries: Entry[], changes = ''): Promise<string> {
  const rootfs = await busyboxRootfs();
  const name = freshName('hostile');
  images.push(name);
  const archive = Buffer.concat([rootfs.subarray(0, -END_OF_ARCHIVE), rawTar(entries)]);
  const query = `fromSrc=-&repo=${name}&changes=${encodeURIComponent(changes)}`;
  const { status, text } = await api.post(`/images/create?${query}`, archive);
  if (status !== 200) throw new Error(text);
  return name;
}

async function run(wanted: Parameters<typeof runContainer>[0]) {
  const result = await runContainer(wanted);
  containers.push(result.id);
  return result;
}

/** Why a container does not start. */
async function refusal(wanted: Parameters<typeof createContainer>[0], code = 400): Promise<string> {
  const id = await createContainer(wanted);
  containers.push(id);
  const { status, body } = await api.post<{ message: string }>(`/containers/${id}/start`);
  expect(status).toBe(code);
  return body.message;
}

describe('descriptors of whoever starts a process (CVE-2024-21626)', () => {
  const script = `for up in . ../../../../../../../..; do cat $up${'$HOST'}/secret; touch $up${'$HOST'}/written; done 2>/dev/null; true`;

  it('are no working directory of a container', async () => {
    for (const descriptor of [3, 6, 7, 8, 9]) {
      const id = await createContainer({
        cmd: ['sh', '-c', script.replaceAll('$HOST', host)],
        config: { WorkingDir: `/proc/self/fd/${descriptor}` },
      });
      containers.push(id);
      await api.post(`/containers/${id}/start`);
      await api.post(`/containers/${id}/wait`);
      expect((await docker(['logs', id])).stdout).not.toContain(SECRET);
    }
  });

  it('are no working directory of an exec, and none are left open in one', async () => {
    const id = await startContainer({});
    containers.push(id);
    for (const descriptor of [3, 4, 5, 6, 7, 8, 9, 10]) {
      const command = ['sh', '-c', script.replaceAll('$HOST', host)];
      const said = await docker(['exec', '-w', `/proc/self/fd/${descriptor}`, id, ...command]);
      expect(said.stdout).not.toContain(SECRET);
    }
    for (const terminal of [[], ['-t']]) {
      const { stdout } = await docker(['exec', ...terminal, id, 'sh', '-c', 'ls /proc/$$/fd; true']);
      // A shell with a terminal keeps one of its own.
      expect(stdout.trim().split(/\s+/).join(' ')).toMatch(/^0 1 2( 10)?$/);
    }
  });
});

describe("the runtime's program (CVE-2019-5736)", () => {
  it('is run from a mount that nobody can write through', () => {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    const program = join(instance.runDir, 'containers/runtimes/crun.readonly');
    const [, , , , , options] = mounts.find((line) => line.includes(` ${program} `))?.split(' ') ?? [];
    expect(options?.split(',')).toContain('ro');
  });
});

describe('what the image has in the place of mounts (CVE-2025-31133, CVE-2025-52565, CVE-2025-52881)', () => {
  it('is not where they go', async () => {
    const Image = await hostileImage([
      symlink('proc', host),
      symlink('sys', join(host, 'directory')),
      symlink('dev', '../../../../../../../../../..' + host),
      symlink('etc/resolv.conf', join(host, 'secret')),
      symlink('etc/hosts', '/etc/passwd'),
      symlink('etc/mtab', join(host, 'secret')),
    ]);
    const { code, stdout } = await run({
      cmd: [
        'sh',
        '-c',
        `head -1 /etc/passwd; stat -f -c %T /proc /sys /dev; ls -l /etc/hosts /etc/resolv.conf`,
      ],
      config: { Image, Tty: false },
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^root:x:0.*\nproc\nsysfs\ntmpfs\n-rw.*\/etc\/hosts\n-rw.*\/etc\/resolv.conf\n$/);
  });

  it('is not what is masked or written to instead', async () => {
    const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    const Image = await hostileImage([
      { name: 'dev/', flag: '5' },
      symlink('dev/null', '/proc/sys/kernel/core_pattern'),
      symlink('dev/console', '/proc/sysrq-trigger'),
      symlink('dev/ptmx', '/proc/sys/kernel/core_pattern'),
      symlink('dev/pts', '/proc/sys'),
    ]);
    const script = `stat -c %F:%t:%T /dev/null; cat /proc/keys /proc/timer_list | wc -c
      chmod 600 /proc/keys; chown 1:1 /proc/keys; touch /sys/firmware/x; echo x >/proc/sys/kernel/core_pattern; ls /proc/acpi`;
    const { stdout, stderr } = await run({ cmd: ['sh', '-c', script], config: { Image } });
    expect(stdout).toBe('character special file:1:3\n0\n');
    expect(stderr.match(/Read-only file system/g)).toHaveLength(4);
    // What is masked with is the host's own /dev/null.
    expect(statSync('/dev/null').mode & 0o777).toBe(0o666);
    expect(readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).toBe(pattern);
  });
});

describe('mounts on /proc (CVE-2019-16884, CVE-2019-19921)', () => {
  it('are refused, also where the image or a volume leads there by symlinks', async () => {
    const Image = await hostileImage(
      [symlink('link', '/proc'), { name: 'v/', flag: '5' }, symlink('v/link', '../proc')],
      'VOLUME /v',
    );
    const inside = (path: string) => `"${path}" cannot be mounted because it is inside /proc`;
    const binds = (path: string) => ({ config: { Image }, host: { Binds: [`${host}:${path}`] } });
    expect(await refusal(binds('/proc'), 500)).toContain(
      '"/proc" cannot be mounted because it is not of type proc',
    );
    expect(await refusal(binds('/proc/self/attr'), 500)).toContain(inside('/proc/self/attr'));
    expect(await refusal(binds('/link/sys'), 500)).toContain(inside('/proc/sys'));
    expect(await refusal(binds('/v/link/sys'), 500)).toContain(inside('/proc/sys'));
    expect(await refusal({ host: { Tmpfs: { '/proc/sys': '' } } }, 500)).toContain(inside('/proc/sys'));
  });
});

describe('symlinks in a shared volume (CVE-2018-15664, CVE-2021-30465)', () => {
  it('lead mounts and copies nowhere but into the container', async () => {
    const volume = freshName('shared');
    volumes.push(volume);
    const planted = await run({
      cmd: ['sh', '-c', `ln -s ${host} /v/out; ln -s ../../../../../../../..${host} /v/up`],
      host: { Binds: [`${volume}:/v`] },
    });
    expect(planted.code).toBe(0);
    // Where they lead to in the image, there is something to mount on.
    const Image = await hostileImage(
      ['directory', 'other'].map((name) => ({ name: `${host.slice(1)}/${name}/`, flag: '5', mode: 0o755 })),
    );
    const { id, code, stdout } = await run({
      cmd: ['sh', '-c', `touch /v/out/directory/a /v/up/other/b; grep -o "${host}.* tmpfs" /proc/mounts`],
      config: { Image },
      host: { Binds: [`${volume}:/v`], Tmpfs: { '/v/out/directory': '', '/v/up/other': '' } },
    });
    expect([code, stdout]).toEqual([0, `${host}/directory tmpfs\n${host}/other tmpfs\n`]);
    for (const path of ['/v/out/secret', '/v/up/../secret'])
      expect((await docker(['cp', `${id}:${path}`, '-'])).stderr).toContain('Could not find the file');
    const written = await docker(['cp', '-', `${id}:/v/out`], { input: rawTar([{ name: 'in', body: 'x' }]) });
    expect(written.code).toBe(0);
  });
});

describe('strings with a NUL byte, which the runtime would cut', () => {
  it.each<[string, Parameters<typeof createContainer>[0]]>([
    ['cmd', { cmd: ['echo', 'a\0b'] }],
    ['Env', { config: { Env: ['A=x\0y'] } }],
    ['Hostname', { config: { Hostname: 'a\0b' } }],
    ['MaskedPaths', { host: { MaskedPaths: ['/proc/keys\0x'] } }],
    ['Tmpfs', { host: { Tmpfs: { '/t': 'mode=1777\0' } } }],
    ['Sysctls', { host: { Sysctls: { 'net.ipv4.ip_forward': '1\0' } } }],
  ])('are refused in %s', async (_title, wanted) => {
    expect(await refusal(wanted)).toContain("can't contain null(\\x00)");
  });

  it('are refused in binds', async () => {
    const id = await createContainer({ host: { Binds: [`${host}/directory\0:/x`] } });
    containers.push(id);
    const { body } = await api.post<{ message: string }>(`/containers/${id}/start`);
    expect(body.message).toContain('directory\0');
    expect(existsSync(join(host, 'directory'))).toBe(true);
  });
});

describe('an image configuration', () => {
  it.each<[Record<string, unknown>, string]>([
    [{ Entrypoint: 'sh' }, 'cannot unmarshal string into Go struct field Image.config.Entrypoint'],
    [{ Env: [1] }, 'cannot unmarshal number into Go struct field Image.config.Env'],
    [{ Volumes: ['/x'] }, 'cannot unmarshal array into Go struct field Image.config.Volumes'],
    [
      { Healthcheck: { Test: 'x' } },
      'cannot unmarshal string into Go struct field Image.config.Healthcheck.Test',
    ],
  ])('of other types than those of its fields is refused: %j', async (config, message) => {
    const { archive } = await imageArchive({
      repoTag: `${freshName('types')}:1`,
      config,
      layers: [rawTar([])],
    });
    expect((await api.post('/images/load?quiet=1', archive)).text).toContain(message);
  });
});
