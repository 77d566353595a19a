import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { tarOf } from '../support/busybox-image';
import { freshName } from '../support/containers';
import { api } from '../support/engine';
import { eventually } from '../support/eventually';
import { FaultProxy } from '../support/fault-proxy';
import { pull, storedNames, type Pulled } from '../support/pulls';
import {
  type Blob,
  blobOf,
  descriptorOf,
  HOST_ARCHITECTURE,
  jsonBlob,
  makeImage,
  manifestOf,
  type RegistryImage,
} from '../support/registry-image';

const MEBIBYTE = 1024 * 1024;
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';

/** What the tests look at of `GET /images/json`. */
interface Listed {
  Id: string;
}

describe('a hostile registry', () => {
  jest.setTimeout(60_000);
  /** The registry that is being prepared: each attack has its own. */
  let proxy: FaultProxy;
  const proxies: FaultProxy[] = [];
  async function anotherProxy(): Promise<FaultProxy> {
    const another = await FaultProxy.start();
    proxies.push(another);
    return another;
  }
  beforeEach(async () => {
    proxy = await anotherProxy();
  });
  afterAll(async () => {
    for (const each of proxies) await each.stop();
  });

  let sequence = 0;
  /** An image of which nobody has anything yet. */
  async function image(): Promise<RegistryImage> {
    sequence += 1;
    const tar = await tarOf([
      { header: { name: 'f' }, body: Buffer.from(`${freshName('x')}`.repeat(1000)) },
      { header: { name: `g${sequence}` } },
    ]);
    return makeImage({ layers: [{ tar, compression: 'none' }] });
  }

  function serve(
    repository: string,
    { config, layers, manifest }: Omit<RegistryImage, 'id' | 'architecture'>,
  ): void {
    for (const { digest, bytes } of [config, ...layers]) {
      proxy.on('GET', path(repository, 'blobs', digest), { answer: { status: 200, body: bytes } });
    }
    serveManifest(repository, manifest);
  }

  function serveManifest(repository: string, { mediaType, bytes }: Pick<Blob, 'mediaType' | 'bytes'>): void {
    const answer = { status: 200, headers: { 'content-type': mediaType }, body: bytes };
    for (const method of ['GET', 'HEAD']) proxy.on(method, path(repository, 'manifests', ''), { answer });
  }

  const path = (repository: string, kind: string, rest: string) =>
    new RegExp(`^/v2/${repository}/${kind}/${rest}`);

  /** Each prepares its repository, and the pull has to fail with those words. */
  const attacks: Record<
    string,
    [words: RegExp, prepare: (repository: string) => Promise<void>, tag?: string]
  > = {
    'a layer of other bytes than its digest says': [
      /digest|verification failed/i,
      async (repository) => {
        const made = await image();
        serve(repository, made);
        const { digest, bytes } = made.layers[0]!;
        proxy.on('GET', path(repository, 'blobs', digest), {
          answer: { status: 200, body: bytes },
          corruptAt: 1500,
        });
      },
    ],
    'a layer that is cut off': [
      /has \d+ bytes in the registry, but \d+ in the manifest/,
      async (repository) => {
        const made = await image();
        serve(repository, made);
        const { digest, bytes } = made.layers[0]!;
        proxy.on('GET', path(repository, 'blobs', digest), {
          answer: { status: 200, body: bytes.subarray(0, 1000) },
        });
      },
    ],
    'a layer that is longer than the manifest says': [
      /bytes/,
      async (repository) => {
        const made = await image();
        serve(repository, made);
        const { digest, bytes } = made.layers[0]!;
        proxy.on('GET', path(repository, 'blobs', digest), {
          answer: { status: 200, body: Buffer.concat([bytes, bytes]) },
        });
      },
    ],
    'a Content-Length that says too many': [
      /bytes in the registry/,
      async (repository) => {
        const made = await image();
        serve(repository, made);
        const { digest, bytes } = made.layers[0]!;
        proxy.on('GET', path(repository, 'blobs', digest), {
          answer: { status: 200, body: bytes },
          lengthLie: 1000,
        });
      },
    ],
    'a Content-Length that says too few': [
      /bytes in the registry/,
      async (repository) => {
        const made = await image();
        serve(repository, made);
        const { digest, bytes } = made.layers[0]!;
        proxy.on('GET', path(repository, 'blobs', digest), {
          answer: { status: 200, body: bytes },
          lengthLie: -1000,
        });
      },
    ],
    'a manifest that is an index as well': [
      /ambiguous manifest/,
      async (repository) => {
        const made = await image();
        serve(repository, made);
        const document = JSON.parse(made.manifest.bytes.toString()) as object;
        serveManifest(repository, jsonBlob(OCI_MANIFEST, { ...document, manifests: [] }));
      },
    ],
    'a manifest of another media type than it says itself': [
      /media type/,
      async (repository) => {
        const made = await image();
        serve(repository, made);
        serveManifest(repository, { mediaType: OCI_INDEX, bytes: made.manifest.bytes });
      },
    ],
    'a manifest that is a web page': [
      /manifest|media type/,
      async (repository) => {
        serveManifest(repository, { mediaType: 'text/html', bytes: Buffer.from('<html>sign in</html>') });
      },
    ],
    'a layer that is no archive': [
      /unsupported media type/,
      async (repository) => {
        const { config, layers } = await image();
        const strange = layers.map((layer) => ({ ...layer, mediaType: 'application/vnd.example+json' }));
        serve(repository, { config, layers: strange, manifest: manifestOf(config, strange) });
      },
    ],
    'a schema 1 manifest': [
      /schema 1/,
      async (repository) => {
        serveManifest(
          repository,
          jsonBlob('application/vnd.docker.distribution.manifest.v1+prettyjws', {
            schemaVersion: 1,
            name: repository,
            fsLayers: [],
            history: [],
          }),
        );
      },
    ],
    'a manifest without an end': [
      /larger than \d+ bytes/,
      async (repository) => {
        serveManifest(repository, { mediaType: OCI_MANIFEST, bytes: Buffer.alloc(9 * MEBIBYTE, ' ') });
      },
    ],
    'a manifest of too many layers': [
      /max depth exceeded/,
      async (repository) => {
        const { config, layers } = await image();
        const many = Array.from({ length: 128 }, () => layers[0]!);
        serve(repository, { config, layers, manifest: manifestOf(config, many) });
      },
    ],
    'other bytes than the digest that was asked for': [
      /manifest verification failed for digest/,
      async (repository) => serve(repository, await image()),
      `sha256:${'a'.repeat(64)}`,
    ],
    'an index that names other bytes': [
      /manifest verification failed for digest/,
      async (repository) => {
        const made = await image();
        const other = await image();
        const platform = { os: 'linux', architecture: HOST_ARCHITECTURE };
        serve(repository, made);
        serveManifest(
          repository,
          jsonBlob(OCI_INDEX, {
            schemaVersion: 2,
            mediaType: OCI_INDEX,
            manifests: [{ ...descriptorOf(other.manifest), platform }],
          }),
        );
        const { mediaType, bytes } = made.manifest;
        proxy.on('GET', path(repository, 'manifests', other.manifest.digest), {
          answer: { status: 200, headers: { 'content-type': mediaType }, body: bytes },
        });
      },
    ],
    'a configuration of other bytes than its digest says': [
      /image config verification failed for digest/,
      async (repository) => {
        const made = await image();
        const { config } = await image();
        serve(repository, made);
        proxy.on('GET', path(repository, 'blobs', made.config.digest), {
          answer: { status: 200, body: config.bytes },
        });
      },
    ],
    'a configuration of other layers': [
      /diff ?id|layer|digest/i,
      async (repository) => {
        const { layers } = await image();
        const { config } = await image();
        serve(repository, { config, layers, manifest: manifestOf(config, layers) });
      },
    ],
    'a configuration of more layers': [
      /layers from manifest don't match image configuration/,
      async (repository) => {
        const { config } = await image();
        serve(repository, { config, layers: [], manifest: manifestOf(config, []) });
      },
    ],
    'a layer at a link-local address': [
      /.+/,
      async (repository) => {
        const { config, layers } = await image();
        const foreign = layers.map((layer) => ({
          ...layer,
          mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
        }));
        const manifest = jsonBlob(OCI_MANIFEST, {
          schemaVersion: 2,
          mediaType: OCI_MANIFEST,
          config: descriptorOf(config),
          layers: foreign.map((layer) => ({
            ...descriptorOf(layer),
            urls: ['http://169.254.169.254/latest/meta-data'],
          })),
        });
        serve(repository, { config, layers: [], manifest });
      },
    ],
    'a redirect to a link-local address': [
      /link-local/,
      async (repository) => {
        const made = await image();
        serve(repository, made);
        proxy.on('GET', path(repository, 'blobs', made.layers[0]!.digest), {
          redirect: 'http://169.254.169.254',
        });
      },
    ],
    'a redirect to itself': [
      /redirects/,
      async (repository) => {
        const made = await image();
        serve(repository, made);
        proxy.on('GET', path(repository, 'blobs', made.layers[0]!.digest), {
          redirect: `http://${proxy.host}`,
        });
      },
    ],
    'a layer that is a bomb': [
      /(too large|ratio|bomb|limit|more than)/i,
      async (repository) => {
        const { config } = await image();
        // 512 MiB of zeros as one file: its header, and then the same member of gzip over and over.
        const header = (await tarOf([{ header: { name: 'zeros' } }])).subarray(0, 512);
        header.write(`${(512 * MEBIBYTE).toString(8).padStart(11, '0')}\0`, 124, 'latin1');
        header.fill(' ', 148, 156);
        const sum = header.reduce((total, byte) => total + byte, 0);
        header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
        const zeros = gzipSync(Buffer.alloc(16 * MEBIBYTE));
        const bomb = Buffer.concat([gzipSync(header), ...Array.from({ length: 33 }, () => zeros)]);
        const layers = [blobOf(`${OCI_LAYER}+gzip`, bomb)];
        serve(repository, { config, layers, manifest: manifestOf(config, layers) });
      },
    ],
    'a layer whose gzip breaks off': [
      /.+/,
      async (repository) => {
        const tar = await tarOf([{ header: { name: 'f' }, body: randomBytes(MEBIBYTE) }]);
        const { config } = makeImage({ layers: [{ tar }] });
        const whole = gzipSync(tar, { level: 1 });
        const layers = [blobOf(`${OCI_LAYER}+gzip`, whole.subarray(0, whole.length / 2))];
        serve(repository, { config, layers, manifest: manifestOf(config, layers) });
      },
    ],
    'an authorization server at a link-local address': [
      /link-local|HTTPS/,
      async (repository) => {
        const answer = {
          status: 401,
          headers: { 'www-authenticate': 'Bearer realm="http://169.254.169.254/token",service="x"' },
        };
        for (const method of ['GET', 'HEAD']) proxy.on(method, path(repository, 'manifests', ''), { answer });
      },
    ],
  };

  const results: Record<string, Pulled> = {};
  /** What was pulled, with its host. */
  const names: Record<string, string> = {};
  let before: Awaited<ReturnType<typeof state>>;
  let old: string;

  const state = async () => ({
    stored: storedNames(),
    images: (await api.get<Listed[]>('/images/json?all=1')).body.map(({ Id }) => Id).sort(),
  });

  // All at once: some of them take their time.
  beforeAll(async () => {
    old = (await api.get<{ Id: string }>('/images/busybox/json')).body.Id;
    for (const [name, [, prepare]] of Object.entries(attacks)) {
      proxy = await anotherProxy();
      const repository = freshName('hostile');
      await prepare(repository);
      names[name] = `${proxy.host}/${repository}`;
      await api.post(`/images/busybox/tag?repo=${names[name]}&tag=1`);
    }
    // Of what specs before this one began, some may still be at its end.
    before = await eventually(async () => {
      const now = await state();
      expect(now.stored.filter((name) => /ingest\/(part|job|blob|doomed)-|overlay2\/\./.test(name))).toEqual(
        [],
      );
      return now;
    });
    await Promise.all(
      Object.entries(attacks).map(async ([name, [, , tag = '1']]) => {
        results[name] = await pull(names[name]!, `&tag=${tag}`, { username: 'user', password: 'secret' });
      }),
    );
  });
  afterAll(async () => {
    for (const name of Object.values(names)) await api.delete(`/images/${name}:1`);
  });

  it.each(Object.keys(attacks))('%s is refused, and the old image stays', async (name) => {
    expect(results[name]?.error).toMatch(attacks[name]![0]);
    // A complaint about ourselves would be none about the registry.
    expect(results[name]?.error).not.toMatch(/undefined|TypeError|ENOENT|internal/i);
    const tagged = await api.get<{ Id: string }>(`/images/${names[name]}:1/json`);
    expect(tagged.body.Id).toBe(old);
  });

  it('leaves nothing behind', async () => {
    // What a client uploaded goes when the job has said how it ended.
    await eventually(async () => expect(await state()).toEqual(before));
  });

  it('gets no credentials for another host', async () => {
    const other = await anotherProxy();
    const made = await image();
    const repository = freshName('hostile');
    serve(repository, made);
    const { digest, bytes } = made.layers[0]!;
    const challenge = { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
    for (const method of ['GET', 'HEAD']) {
      proxy.on(method, path(repository, 'manifests', ''), { answer: challenge }, 1);
    }
    proxy.on('GET', path(repository, 'blobs', digest), { redirect: `http://${other.host}` });
    other.on('GET', path(repository, 'blobs', digest), { answer: { status: 200, body: bytes } });
    const who = { username: 'user', password: 'secret' };
    expect((await pull(`${proxy.host}/${repository}`, '&tag=1', who)).error).toBe('');
    expect(proxy.passed.some(({ authorization }) => authorization?.startsWith('Basic '))).toBe(true);
    expect(other.passed.map(({ authorization, status }) => ({ authorization, status }))).toEqual([
      { authorization: undefined, status: 200 },
    ]);
    await api.delete(`/images/${proxy.host}/${repository}:1`);
  });

  it('that is only slow to make up its mind is borne with', async () => {
    const made = await image();
    const repository = freshName('flaky');
    serve(repository, made);
    const { digest, bytes } = made.layers[0]!;
    const blob = path(repository, 'blobs', digest);
    const whole = { status: 200, body: bytes };
    proxy.on('GET', blob, { answer: whole, cutAt: 3000 }, 1);
    proxy.on('GET', blob, { answer: { status: 500 } }, 1);
    proxy.on('GET', blob, { answer: { status: 429, headers: { 'retry-after': '0' } } }, 1);
    expect((await pull(`${proxy.host}/${repository}`, '&tag=1')).error).toBe('');
    await api.delete(`/images/${proxy.host}/${repository}:1`);
  });
});
