import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { freshName } from '../support/containers';
import { docker, api } from '../support/engine';
import { sha256 } from '../support/image-archive';
import { TestRegistry } from '../support/registry';
import { putImage } from '../support/registry-image';

interface Manifest {
  mediaType: string;
  config: { digest: string };
  layers: { mediaType: string; digest: string; size: number }[];
}

describe('docker push', () => {
  let registry: TestRegistry;
  const made: string[] = [];
  const named = (repository: string, tag = '1'): string => {
    const name = `${registry.host}/${repository}:${tag}`;
    made.push(name);
    return name;
  };
  beforeAll(async () => {
    registry = await TestRegistry.start();
  });
  afterAll(async () => {
    await docker(['rmi', '-f', ...made]);
    await registry.stop();
  });

  const manifestOf = async (repository: string, tag = '1'): Promise<{ bytes: Buffer; parsed: Manifest }> => {
    const accept =
      'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json';
    const answer = await registry.request('GET', `/v2/${repository}/manifests/${tag}`, {
      headers: { accept },
    });
    expect(answer.status).toBe(200);
    return { bytes: answer.body, parsed: JSON.parse(answer.body.toString()) as Manifest };
  };

  it('sends what no registry knows, mounts it in another repository, and finds it there', async () => {
    const repository = freshName('pushed');
    const name = named(repository);
    const imported = await docker(['import', '-', name], { input: await busyboxRootfs() });
    const id = imported.stdout.trim();
    const pushed = await docker(['push', name]);
    expect(pushed).toMatchObject({ code: 0, stderr: '' });
    expect(pushed.stdout).toMatch(
      /^The push refers to repository \[.*\]\n([0-9a-f]{12}: .*\n)*[0-9a-f]{12}: Pushed\n1: digest: sha256:[0-9a-f]{64} size: \d+\n$/,
    );
    const { bytes, parsed } = await manifestOf(repository);
    const digest = `sha256:${sha256(bytes)}`;
    expect(pushed.stdout).toContain(`1: digest: ${digest} size: ${bytes.length}`);
    expect(parsed).toMatchObject({
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      config: { digest: id },
    });
    const [layer] = parsed.layers;
    const blob = await registry.request('GET', `/v2/${repository}/blobs/${layer?.digest}`);
    const { body } = await api.get<{ RootFS: { Layers: string[] }; RepoDigests: string[] }>(
      `/images/${name}/json`,
    );
    expect(`sha256:${sha256(gunzipSync(blob.body))}`).toBe(body.RootFS.Layers[0]);
    expect(body.RepoDigests).toEqual([`${registry.host}/${repository}@${digest}`]);

    const other = named(`${repository}-other`);
    await docker(['tag', name, other]);
    expect((await docker(['push', other])).stdout).toContain(`Mounted from ${repository}\n`);
    expect((await docker(['push', other])).stdout).toContain(': Layer already exists\n');
    expect((await manifestOf(`${repository}-other`)).bytes).toEqual(bytes);
  });

  it.each(['oci', 'docker'] as const)('sends a pulled %s image byte for byte', async (format) => {
    const repository = freshName('pulled');
    // A layer that was here before would not be fetched.
    const header = { name: `only-in-${repository}` };
    const tar = await tarOf([{ header, body: Buffer.from(repository) }]);
    const layers = [{ tar, compression: format === 'oci' ? ('zstd' as const) : ('gzip' as const) }];
    const image = await putImage(registry, `${repository}:1`, { layers, format });
    const name = named(repository);
    expect(await docker(['pull', name])).toMatchObject({ code: 0 });
    const target = await TestRegistry.start();
    try {
      const there = `${target.host}/copied:1`;
      made.push(there);
      await docker(['tag', name, there]);
      const pushed = await docker(['push', there]);
      expect(pushed).toMatchObject({ code: 0, stderr: '' });
      expect(pushed.stdout).toContain(`1: digest: ${image.manifest.digest} `);
      const arguments_ = ['inspect', '--raw', '--tls-verify=false', `docker://${there}`];
      expect(execFileSync('skopeo', arguments_)).toEqual(image.manifest.bytes);
      const blob = await target.request('GET', `/v2/copied/blobs/${image.layers[0]?.digest}`);
      expect(blob.body.equals(image.layers[0]?.bytes ?? Buffer.alloc(0))).toBe(true);
    } finally {
      await target.stop();
    }
  });

  it('sends all tags, and says what is not there', async () => {
    const repository = freshName('tags');
    const name = named(repository);
    await docker(['tag', 'busybox', name]);
    await docker(['tag', 'busybox', named(repository, '2')]);
    const all = await docker(['push', '-a', `${registry.host}/${repository}`]);
    expect(all.stdout).toMatch(/^1: digest: .*\n(.*\n)*2: digest: /m);
    const missing = await docker(['push', `${registry.host}/${repository}:3`]);
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.stderr).toContain(`tag does not exist: ${registry.host}/${repository}:3`);
    const unknown = await docker(['push', `${registry.host}/nonesuch:1`]);
    expect(unknown.stderr).toContain(
      `An image does not exist locally with the tag: ${registry.host}/nonesuch`,
    );
  });

  it('needs the right to push', async () => {
    const guarded = await TestRegistry.start({ auth: 'basic' });
    try {
      const name = `${guarded.host}/guarded:1`;
      made.push(name);
      await docker(['tag', 'busybox', name]);
      const refused = await docker(['push', name]);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/authentication required|no basic auth credentials/);
      expect((await guarded.request('GET', '/v2/guarded/tags/list')).status).toBe(404);
    } finally {
      await guarded.stop();
    }
  });
});
