import { randomBytes } from 'node:crypto';
import { extract } from 'tar-stream';
import { type BuildOutcome, buildWithSession, type WantedBuild } from '../support/buildkit-client';
import { busyboxRootfs } from '../support/busybox-image';
import type { ContentStores } from '../support/client-content';
import { dockerOn } from '../support/docker-cli';
import { api, dockerHost, instance } from '../support/engine';
import { TestInstance } from '../support/test-instance';
import { TestRegistry } from '../support/registry';

/** What the steps write is another thing each time: only what comes from the cache is the same. */
const RANDOM = 'head -c 8 /dev/urandom | md5sum';

describe('what a build leaves for another engine, which has nothing,', () => {
  const mark = `cache-${randomBytes(4).toString('hex')}`;
  const names: string[] = [];
  let registry: TestRegistry;
  let open: TestRegistry;
  let other: TestInstance;

  beforeAll(async () => {
    [registry, open, other] = await Promise.all([
      TestRegistry.start({ auth: 'basic' }),
      TestRegistry.start(),
      TestInstance.start(`gc${randomBytes(3).toString('hex')}`),
    ]);
    const base = `${open.host}/${mark}:base`;
    names.push(base);
    await api.post(
      `/images/create?fromSrc=-&repo=${encodeURIComponent(base)}&changes=${encodeURIComponent(`LABEL m=${mark}`)}`,
      await busyboxRootfs(),
    );
    await dockerOn(dockerHost)(['push', base]);
  }, 120_000);

  afterAll(async () => {
    for (const name of names) await api.delete(`/images/${encodeURIComponent(name)}?force=1`);
    const filters = encodeURIComponent(JSON.stringify({ description: { [mark]: true } }));
    await api.post(`/build/prune?all=1&filters=${filters}`);
    await Promise.all([registry?.stop(), open?.stop(), other?.clean()]);
  });

  const otherSocket = () => `${other.runDir}/docker.sock`;

  function build(socket: string, name: string, wanted: Partial<WantedBuild>) {
    const lines = [
      `FROM ${open.host}/${mark}:base AS first`,
      `ENV MARK=${mark}`,
      `RUN ${RANDOM} > /one # ${name}`,
      `FROM ${open.host}/${mark}:base`,
      `COPY --from=first /one /${mark}/one`,
      `RUN ${RANDOM} > /two # ${name}`,
      `LABEL mark=${mark}`,
    ];
    names.push(name);
    return buildWithSession(socket, [{ path: 'Dockerfile', content: lines.join('\n') }], {
      names: name,
      credentials: { [registry.host]: 'user:secret' },
      ...wanted,
    });
  }

  const idOf = async (host: string, name: string) =>
    (await dockerOn(host)(['inspect', '-f', '{{.Id}}', name])).stdout;
  const cachedIn = ({ vertexes }: BuildOutcome) =>
    [...vertexes.values()]
      .filter(({ cached }) => cached)
      .map(({ name }) => name.slice(0, name.indexOf(']') + 1));
  const from = (entry: object) => ({ 'cache-imports': JSON.stringify([entry]) });
  const inDirectory = { type: 'local', attrs: { dest: '/c', mode: 'max' } };

  it.each(['true', 'false'])('is in a registry (image-manifest=%s)', async (manifest) => {
    const name = `${mark}:${manifest}`;
    const ref = `${registry.host}/${name}`;
    const attrs = { ref, mode: 'max', 'image-manifest': manifest };
    const first = await build(instance.socket, name, { cacheExports: [{ type: 'registry', attrs }] });
    expect(first.error).toBe('');

    const second = await build(otherSocket(), name, {
      attributes: from({ Type: 'registry', Attrs: { ref } }),
    });
    expect(second.error).toBe('');
    expect(cachedIn(second)).toEqual(['[first 2/2]', '[stage-1 2/3]', '[stage-1 3/3]']);
    expect(await idOf(`unix://${otherSocket()}`, name)).toBe(await idOf(dockerHost, name));
    const { stdout } = await dockerOn(`unix://${otherSocket()}`)(['run', '--rm', name, 'wc', '-l', '/two']);
    expect(stdout).toBe('1 /two\n');
  });

  it('is an image in a layout that the client has', async () => {
    const name = `${mark}:layout`;
    const { error, received } = await build(instance.socket, name, { exporter: 'oci' });
    expect(error).toBe('');
    const blobs = await filesOf(received);
    const index = JSON.parse(blobs.get('index.json')?.toString() ?? '') as {
      manifests: { digest: string }[];
    };
    const digest = index.manifests[0]?.digest ?? '';
    const store = new Map(
      [...blobs].map(([path, bytes]) => [path.replace(/^blobs\/sha256\//, 'sha256:'), bytes]),
    );
    const taken = await buildWithSession(
      otherSocket(),
      [{ path: 'Dockerfile', content: `FROM lay\nRUN wc -l < /two\nCOPY --from=lay /${mark} /again` }],
      {
        attributes: { 'context:lay': `oci-layout://id:1@${digest}` },
        contents: { 'oci:id': store },
        names: name,
      },
    );
    expect([taken.error, taken.log]).toEqual(['', '1\n']);
    const { stdout } = await dockerOn(`unix://${otherSocket()}`)([
      'inspect',
      '-f',
      '{{.Config.Labels.mark}}',
      name,
    ]);
    expect(stdout).toBe(`${mark}\n`);
  });

  it('is in a directory of the client', async () => {
    const name = `${mark}:directory`;
    const stores: ContentStores = { 'local:/c': new Map() };
    const first = await build(instance.socket, name, { cacheExports: [inDirectory], contents: stores });
    expect(first.error).toBe('');
    const { digest } = JSON.parse(first.response['cache.manifest'] ?? '') as { digest: string };
    expect(stores['local:/c']?.has(digest)).toBe(true);
    // What is there already is not sent again.
    const again = await build(instance.socket, name, { cacheExports: [inDirectory], contents: stores });
    expect(again.error).toBe('');

    const attributes = from({ Type: 'local', Attrs: { src: '/c', digest } });
    const second = await build(otherSocket(), name, { attributes, contents: stores });
    expect([second.error, cachedIn(second)]).toMatchObject(['', { length: 3 }]);
    expect(await idOf(`unix://${otherSocket()}`, name)).toBe(await idOf(dockerHost, name));
  });

  it('that is not there, or has lost its layers, only makes the build longer', async () => {
    const name = `${mark}:lost`;
    const ref = `${registry.host}/${name}`;
    const missing = await build(otherSocket(), `${mark}:missing`, {
      attributes: from({ Type: 'registry', Attrs: { ref } }),
    });
    expect(missing.error).toBe('');
    expect(missing.log).toContain(`no cache from ${ref}: `);

    const store = new Map<string, Buffer>();
    const contents = { 'local:/c': store };
    const { response } = await build(instance.socket, name, { cacheExports: [inDirectory], contents });
    const { digest } = JSON.parse(response['cache.manifest'] ?? '') as { digest: string };
    const isLayer = (bytes: Buffer) => bytes[0] === 0x1f;
    for (const [key, bytes] of store) if (isLayer(bytes)) store.delete(key);
    const attributes = from({ Type: 'local', Attrs: { src: '/c', digest } });
    const lost = await build(otherSocket(), name, { attributes, contents });
    expect([lost.error, cachedIn(lost)]).toEqual(['', []]);
    expect(lost.log).toContain('the step is not taken from the cache: ');
  });

  it('that cannot be written ends the build, unless that is not to matter', async () => {
    const attrs = { ref: '127.0.0.1:1/none:1' };
    const name = `${mark}:unwritten`;
    const refused = await build(instance.socket, name, { cacheExports: [{ type: 'registry', attrs }] });
    expect(refused.error).toContain('127.0.0.1:1');
    const ignoring = { type: 'registry', attrs: { ...attrs, 'ignore-error': 'true' } };
    const ignored = await build(instance.socket, name, { cacheExports: [ignoring] });
    expect(ignored.error).toBe('');
    expect(ignored.log).toContain('error ignored: ');
  });
});

async function filesOf(archive: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const entries = extract();
  entries.end(archive);
  for await (const entry of entries) {
    const parts: Buffer[] = [];
    for await (const part of entry) parts.push(part as Buffer);
    files.set(entry.header.name, Buffer.concat(parts));
  }
  return files;
}
