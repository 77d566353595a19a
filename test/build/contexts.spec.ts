import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { api } from '../support/engine';
import { rawTar } from '../support/raw-tar';
import { serveFiles } from './corpus-context';

const TAG = 'contexts:built';

afterEach(() => api.delete(`/images/${TAG}?force=1`));

/** The labels of what is built, or the words of the error. */
async function build(query: Record<string, string>, body?: Buffer): Promise<Record<string, string> | string> {
  const parameters = new URLSearchParams({ t: TAG, ...query });
  const answer = await api.post<{ message?: string }>(`/build?${parameters.toString()}`, body);
  if (answer.status !== 200) return answer.body.message ?? answer.text;
  const error = /"error":("(?:[^"\\]|\\.)*")/.exec(answer.text)?.[1];
  if (error !== undefined) return JSON.parse(error) as string;
  const image = await api.get<{ Config: { Labels: Record<string, string> | null } }>(`/images/${TAG}/json`);
  return image.body.Config.Labels ?? {};
}

/** The names that `COPY . /` takes, by the digest in the history: two contexts that copy the same have the same. */
async function copied(members: Parameters<typeof rawTar>[0]): Promise<string> {
  const dockerfile = { name: 'Dockerfile', body: 'FROM scratch\nCOPY . /\n' };
  expect(await build({}, rawTar([dockerfile, ...members]))).toEqual({});
  const { body } = await api.get<{ CreatedBy: string }[]>(`/images/${TAG}/history`);
  return body[0]?.CreatedBy ?? '';
}

const named = (name: string) => `FROM scratch\nLABEL from=${name}\n`;
const through = (program: string) => (bytes: Buffer) => execFileSync(program, ['-c'], { input: bytes });

describe('archives', () => {
  const archive = rawTar([
    { name: './Dockerfile', body: named('Dockerfile') },
    { name: './sub/Other', body: named('other') },
  ]);

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['plain', (bytes) => bytes],
    ['gzip', gzipSync],
    ['bzip2', through('bzip2')],
    ['xz', through('xz')],
    ['zstd', through('zstd')],
  ])('%s', async (_name, pack) => {
    expect(await build({}, pack(archive))).toEqual({ from: 'Dockerfile' });
    expect(await build({ dockerfile: 'sub/Other' }, pack(archive))).toEqual({ from: 'other' });
  });

  it.each<[string, Record<string, string>, Buffer, string]>([
    ['no Dockerfile', {}, rawTar([]), 'Cannot locate specified Dockerfile: Dockerfile'],
    ['another name', { dockerfile: 'nope' }, archive, 'Cannot locate specified Dockerfile: nope'],
    ['an empty one', {}, rawTar([{ name: 'Dockerfile' }]), 'the Dockerfile (Dockerfile) cannot be empty'],
    ['no archive', {}, Buffer.from('no archive at all'), 'archive/tar: invalid tar header'],
    ['half an archive', {}, archive.subarray(0, 520), 'archive/tar: unexpected EOF'],
    ['a broken one', {}, gzipSync(archive).subarray(0, 100), 'gzip: invalid data'],
  ])('%s is told', async (_title, query, body, message) => {
    expect(await build(query, body)).toContain(message);
  });

  it('dockerfile in lower case is found', async () => {
    expect(await build({}, rawTar([{ name: 'dockerfile', body: named('lower') }]))).toEqual({
      from: 'lower',
    });
  });
});

describe('.dockerignore', () => {
  const files = (names: string[]) => names.map((name) => ({ name, body: name }));

  it('keeps away what it names, itself and the Dockerfile too', async () => {
    const patterns = '*.log\n**/*.log\n!keep.log\nDockerfile\n.dockerignore\nout\n!out/kept\n';
    const ignoring = { name: '.dockerignore', body: patterns };
    const all = ['a.log', 'keep.log', 'sub/c.log', 'sub/d', 'out/gone', 'out/kept'];
    const left = ['keep.log', 'sub/d', 'out/kept'];
    const filtered = await copied([ignoring, ...files(all)]);
    // The same files without any filter, but for the Dockerfile.
    const same = await copied([{ name: '.dockerignore', body: 'Dockerfile\n.dockerignore' }, ...files(left)]);
    expect(filtered).toBe(same);
    expect(await copied(files(all))).not.toBe(same);
  });

  it('with a bad pattern is refused', async () => {
    const body = rawTar([
      { name: 'Dockerfile', body: named('x') },
      { name: '.dockerignore', body: '[a' },
    ]);
    expect(await build({}, body)).toContain('syntax error in pattern');
  });
});

describe('remote contexts', () => {
  const archive = gzipSync(rawTar([{ name: 'Dockerfile', body: named('archive') }]));
  const served: Record<string, Buffer> = {
    '/context.tar.gz': archive,
    '/Dockerfile': Buffer.from(named('text')),
    '/binary': Buffer.from([1, 0, 2, 0]),
  };
  const server = createServer((request, response) => {
    const body = served[request.url ?? ''];
    if (body) response.end(body);
    else response.writeHead(404).end('nothing here');
  });
  let url: string;
  let repositories: Awaited<ReturnType<typeof serveFiles>>;
  beforeAll(async () => {
    repositories = await serveFiles();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await repositories.close();
  });

  it.each([
    ['an archive', '/context.tar.gz', 'archive'],
    ['a Dockerfile', '/Dockerfile', 'text'],
  ])('%s by its URL', async (_title, path, from) => {
    expect(await build({ remote: url + path })).toEqual({ from });
  });

  it.each([
    ['', 'main'],
    ['#v1', 'v1'],
    ['#main:sub', 'sub'],
    ['#:sub', 'sub'],
  ])('a repository: %j', async (fragment, from) => {
    expect(await build({ remote: `${repositories.url}/context.git${fragment}` })).toEqual({ from });
  });

  it('what ADD downloads has the time that the server says', async () => {
    const dockerfile = 'FROM scratch\nARG URL\nADD $URL/file.txt /x\n';
    const query = { buildargs: JSON.stringify({ URL: repositories.url }) };
    expect(await build(query, rawTar([{ name: 'Dockerfile', body: dockerfile }]))).toEqual({});
    const { body } = await api.post<{ Id: string }>('/containers/create', { Image: TAG, Cmd: ['x'] });
    const { headers } = await api.head(`/containers/${body.Id}/archive?path=/x`);
    await api.delete(`/containers/${body.Id}`);
    const stat = Buffer.from(String(headers['x-docker-container-path-stat']), 'base64').toString();
    expect(JSON.parse(stat)).toMatchObject({ mtime: '2001-09-09T01:46:40Z', size: 6 });
  });

  it.each([
    ['/nothing', 'with status 404: nothing here'],
    ['/binary', 'unable to detect contentType for remote'],
    ['/nothing.git', "unable to 'git clone' to temporary context directory"],
  ])('%s is told', async (path, message) => {
    expect(await build({ remote: url + path })).toContain(message);
  });

  it.each([
    ['ftp://127.0.0.1/x', 'could not be recognized as URL'],
    ['/etc', 'could not be recognized as URL'],
    ['git@127.0.0.1:x#--upload-pack=touch', 'invalid refspec: --upload-pack=touch'],
  ])('%s is refused', async (remote, message) => {
    expect(await build({ remote })).toContain(message);
  });

  it.each([
    ['#nope', "unable to 'git clone'"],
    ['#main:nope', 'error setting git context subdirectory: stat nope: no such file or directory'],
  ])('a repository without %s is told', async (fragment, message) => {
    expect(await build({ remote: `${repositories.url}/context.git${fragment}` })).toContain(message);
  });
});
