import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { freshName } from '../support/containers';
import { api, docker, instance } from '../support/engine';
import { eventually } from '../support/eventually';

const directory = mkdtempSync(join(tmpdir(), 'gantry-archives-'));
const file = (name: string) => join(directory, name);
const made: string[] = [];

afterAll(async () => {
  await docker(['rmi', '-f', ...made]);
  rmSync(directory, { recursive: true });
});

const idOf = async (name: string) => (await docker(['inspect', '-f', '{{.Id}}', name])).stdout.trim();

async function imported(changes: string[] = []): Promise<{ name: string; id: string }> {
  const name = `${freshName('archived')}:1`;
  made.push(name);
  const flags = changes.flatMap((change) => ['-c', change]);
  const { stdout } = await docker(['import', ...flags, '-', name], { input: await busyboxRootfs() });
  return { name, id: stdout.trim() };
}

describe('docker save and docker load', () => {
  it('round trip, one image and several, with the same bytes each time', async () => {
    const [one, two] = [await imported(), await imported(['ENV A=b'])];
    for (const target of ['a.tar', 'b.tar']) {
      expect(await docker(['save', '-o', file(target), one.name, two.name])).toMatchObject({ code: 0 });
    }
    expect(readFileSync(file('a.tar')).equals(readFileSync(file('b.tar')))).toBe(true);
    await docker(['rmi', '-f', one.name, two.name]);
    const loaded = await docker(['load', '-q', '-i', file('a.tar')]);
    expect(loaded.stdout).toBe(`Loaded image: ${one.name}\nLoaded image: ${two.name}\n`);
    expect(await idOf(one.name)).toBe(one.id);
    expect(await idOf(two.name)).toBe(two.id);
    expect((await docker(['run', '--rm', two.name, 'sh', '-c', 'echo $A'])).stdout).toBe('b\n');
  });

  it('by id, without a name', async () => {
    const { name, id } = await imported(['LABEL by=id']);
    await docker(['save', '-o', file('id.tar'), id.slice(7, 19)]);
    await docker(['rmi', '-f', name]);
    const loaded = await docker(['load', '-i', file('id.tar')]);
    expect(loaded.stdout).toContain(`Loaded image ID: ${id}\n`);
    await docker(['rmi', '-f', id]);
  });

  it('for a platform', async () => {
    const { name } = await imported();
    const platform = (architecture: string) =>
      encodeURIComponent(JSON.stringify({ os: 'linux', architecture }));
    const own = process.arch === 'arm64' ? 'arm64' : 'amd64';
    expect((await api.get(`/images/${name}/get?platform=${platform(own)}`)).status).toBe(200);
    expect(await api.get(`/images/${name}/get?platform=${platform('s390x')}`)).toMatchObject({
      status: 404,
      body: {
        message: `image with reference ${name} was found but does not provide the specified platform (linux/s390x)`,
      },
    });
    await docker(['save', '-o', file('platform.tar'), name]);
    const archive = readFileSync(file('platform.tar'));
    const refused = await api.post(`/images/load?platform=${platform('s390x')}`, archive);
    expect(refused.status).toBe(200);
    expect(refused.text).toContain('"errorDetail"');
    const taken = await api.post(`/images/load?platform=${platform(own)}`, archive);
    expect(taken).toMatchObject({ status: 200, text: expect.not.stringContaining('error') as string });
  });

  it.each(['docker-archive', 'oci-archive'])('what skopeo reads and writes as %s', async (format) => {
    const { name, id } = await imported([`LABEL format=${format}`]);
    const [saved, copied] = [file(`${format}-saved.tar`), file(`${format}-copied.tar`)];
    await docker(['save', '-o', saved, name]);
    const source = format === 'docker-archive' ? `docker-archive:${saved}:${name}` : `oci-archive:${saved}:1`;
    const target = `${format}:${copied}:docker.io/library/${name}`;
    execFileSync('skopeo', ['--insecure-policy', 'copy', '-q', source, target], { stdio: 'pipe' });
    await docker(['rmi', '-f', name]);
    expect((await docker(['load', '-q', '-i', copied])).stdout).toBe(`Loaded image: ${name}\n`);
    expect(await idOf(name)).toBe(id);
  });

  it('takes what gzip and others have made smaller', async () => {
    const { name, id } = await imported(['LABEL packed=1']);
    await docker(['save', '-o', file('packed.tar'), name]);
    for (const program of ['gzip', 'zstd', 'xz', 'bzip2']) {
      await docker(['rmi', '-f', name]);
      const packed = execFileSync(program, ['-c', file('packed.tar')], { maxBuffer: 2 ** 30 });
      expect(await docker(['load', '-q'], { input: packed })).toMatchObject({ code: 0 });
      expect(await idOf(name)).toBe(id);
    }
  });

  it('leaves nothing of an upload whose client has gone', async () => {
    const ingest = join(instance.dataRoot, 'image/ingest');
    const before = readdirSync(ingest);
    const upload = request({ socketPath: instance.socket, method: 'POST', path: '/images/load' });
    upload.on('error', () => {});
    upload.write(Buffer.alloc(3 * 1024 ** 2));
    await eventually(() => expect(readdirSync(ingest).length).toBeGreaterThan(before.length));
    upload.destroy();
    await eventually(() => expect(readdirSync(ingest)).toEqual(before));
  });
});

describe('docker import', () => {
  let server: Server;
  let base: string;
  let rootfs: Buffer;
  beforeAll(async () => {
    rootfs = gzipSync(await tarOf([{ header: { name: 'f' }, body: Buffer.alloc(2_000_000, 'f') }]));
    server = createServer((asked, response) => {
      const path = asked.url ?? '';
      if (path === '/rootfs.tar.gz') response.writeHead(200, { 'content-length': rootfs.length }).end(rootfs);
      else if (path === '/moved') response.writeHead(302, { location: '/rootfs.tar.gz' }).end();
      else if (path === '/local') response.writeHead(302, { location: 'http://169.254.169.254/x' }).end();
      else if (path === '/loop') response.writeHead(302, { location: '/loop' }).end();
      else if (path === '/short') {
        response.writeHead(200, { 'content-length': rootfs.length }).write(rootfs.subarray(0, 100));
        setImmediate(() => response.destroy());
      } else response.writeHead(404).end('nothing here');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('from a URL, as dockerd tells it', async () => {
    const name = `${freshName('fetched')}:1`;
    made.push(name);
    const answer = await api.post(`/images/create?fromSrc=${base}/moved&repo=${name}`);
    const lines = answer.text
      .trim()
      .split('\r\n')
      .map((line) => JSON.parse(line) as { status: string; progressDetail?: object });
    expect(lines[0]).toEqual({ status: `Downloading from http://${base}/moved` });
    expect(lines.filter(({ status }) => status === 'Importing').at(-1)).toMatchObject({
      progressDetail: { current: rootfs.length, total: rootfs.length },
    });
    const image = await api.get<{ Id: string; Comment: string }>(`/images/${name}/json`);
    expect(lines.at(-1)).toEqual({ status: image.body.Id });
    expect(image.body.Comment).toBe(`Imported from http://${base}/moved`);
  });

  it('takes a message and changes along', async () => {
    const name = `${freshName('fetched')}:1`;
    made.push(name);
    const url = `http://${base}/rootfs.tar.gz`;
    await docker(['import', '-m', 'mine', '-c', 'CMD ["x"]', '--platform', 'linux/arm64', url, name]);
    expect((await api.get(`/images/${name}/json`)).body).toMatchObject({
      Comment: 'mine',
      Config: { Cmd: ['x'] },
      Architecture: 'arm64',
    });
  });

  it.each([
    ['what is not there', '/nothing', 404, 'status 404: nothing here'],
    ['an address of the local link', '/local', 403, 'link-local address 169.254.169.254'],
    ['a circle', '/loop', 403, 'stopped after 10 redirects'],
    ['another scheme', 'ftp://x/y', 400, 'unsupported protocol scheme'],
    ['half an answer', '/short', 200, 'unexpected EOF'],
  ])('refuses %s and leaves nothing', async (_, path, status, complaint) => {
    const ingest = join(instance.dataRoot, 'image/ingest');
    const images = (await api.get('/images/json?all=1')).text;
    const before = readdirSync(ingest);
    const url = path.startsWith('/') ? `http://${base}${path}` : path;
    const answer = await api.post(
      `/images/create?fromSrc=${encodeURIComponent(url)}&repo=${freshName('no')}`,
    );
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(complaint);
    expect((await api.get('/images/json?all=1')).text).toBe(images);
    await eventually(() => expect(readdirSync(ingest)).toEqual(before));
  });

  it('refuses a server that is not there', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const answer = await api.post(`/images/create?fromSrc=http://127.0.0.1:${port}/x`);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('connect: connection refused');
  });

  it('from a file', async () => {
    const name = `${freshName('file')}:1`;
    made.push(name);
    writeFileSync(file('rootfs.tar.gz'), rootfs);
    const { stdout } = await docker(['import', file('rootfs.tar.gz'), name]);
    expect(await idOf(name)).toBe(stdout.trim());
    expect((await docker(['inspect', '-f', '{{.Comment}}', name])).stdout).toBe('Imported from -\n');
  });
});
