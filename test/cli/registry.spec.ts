import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { freshName } from '../support/containers';
import { docker as plainDocker, instance } from '../support/engine';
import { TestRegistry, type RegistryOptions } from '../support/registry';
import { putImage, putIndex } from '../support/registry-image';

const KINDS: [string, RegistryOptions][] = [
  ['plain', {}],
  ['with TLS and client certificates', { tls: true, clientCertificates: true }],
  ['with basic auth', { auth: 'basic' }],
  ['with TLS and tokens', { tls: true, auth: 'token' }],
];

describe.each(KINDS)('the stock CLI and a registry %s', (_, options) => {
  // The login lies in it.
  let configDirectory: string;
  const docker = (args: string[], input?: string) =>
    plainDocker(args, { input, env: { DOCKER_CONFIG: configDirectory } });
  const repository = freshName('cli');
  let registry: TestRegistry;
  let name: string;

  beforeAll(async () => {
    configDirectory = mkdtempSync(join(tmpdir(), 'gantry-docker-config-'));
    registry = await TestRegistry.start(options);
    name = `${registry.host}/team/${repository}`;
    const rootfs = { tar: await busyboxRootfs() };
    const more = { tar: await tarOf([{ header: { name: 'more' }, body: Buffer.from(repository) }]) };
    await putImage(registry, `team/${repository}:1`, { layers: [rootfs, more] });
    await putImage(registry, `team/${repository}:2`, {
      layers: [rootfs, { ...more, compression: 'zstd' }],
      config: { Labels: { two: 'yes' } },
    });
  });
  afterAll(async () => {
    const { stdout } = await docker(['images', '-q', '--no-trunc', name]);
    const ids = [...new Set(stdout.split('\n').filter(Boolean))];
    if (ids.length > 0) await docker(['rmi', '-f', ...ids]);
    rmSync(configDirectory, { recursive: true });
    rmSync(join(instance.certificates, registry?.host ?? ''), { recursive: true, force: true });
    await registry?.stop();
  });

  if (options.tls) {
    it('is shown the certificates of certs.d', async () => {
      const { ca, cert, key } = registry.certificates!;
      const directory = join(instance.certificates, registry.host);
      if (options.clientCertificates) expect(await docker(['pull', `${name}:1`])).toMatchObject({ code: 1 });
      mkdirSync(directory, { recursive: true });
      copyFileSync(ca, join(directory, 'ca.crt'));
      copyFileSync(cert, join(directory, 'client.cert'));
      copyFileSync(key, join(directory, 'client.key'));
      if (options.auth) return;
      expect(await docker(['pull', '-q', `${name}:1`])).toMatchObject({ code: 0, stdout: `${name}:1\n` });
      await docker(['rmi', `${name}:1`]);
    });
  }

  if (options.auth) {
    it('lets in who has logged in', async () => {
      const refused = await docker(['pull', `${name}:1`]);
      if (options.auth === 'basic') {
        expect(refused.code).toBe(1);
        expect(refused.stderr).toMatch(/no basic auth credentials|unauthorized|pull access denied/);
      }
      const wrong = await docker(['login', '-u', 'user', '--password-stdin', registry.host], 'wrong');
      expect(wrong.code).toBe(1);
      expect(wrong.stderr).toMatch(/unauthorized|denied|incorrect/i);
      const login = await docker(['login', '-u', 'user', '--password-stdin', registry.host], 'secret');
      expect(login).toMatchObject({ code: 0, stdout: 'Login Succeeded\n' });
      expect(existsSync(join(configDirectory, 'config.json'))).toBe(true);
    });
  }

  it('pulls a tag, and shows how', async () => {
    await docker(['rmi', '-f', `${name}:1`]);
    const first = await docker(['pull', `${name}:1`]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    const lines = first.stdout.trim().split('\n');
    expect(lines[0]).toBe(`1: Pulling from team/${repository}`);
    expect(lines.filter((line) => /: (Pull complete|Already exists)$/.test(line))).toHaveLength(2);
    expect(lines.filter((line) => /: Pull complete$/.test(line))).not.toEqual([]);
    expect(lines.slice(-3)).toEqual([
      expect.stringMatching(/^Digest: sha256:[0-9a-f]{64}$/),
      `Status: Downloaded newer image for ${name}:1`,
      `${name}:1`,
    ]);
    const again = await docker(['pull', `${name}:1`]);
    expect(again.stdout.trim().split('\n').slice(-2)).toEqual([
      `Status: Image is up to date for ${name}:1`,
      `${name}:1`,
    ]);
    // Layers that are there are not brought again.
    const second = await docker(['pull', `${name}:2`]);
    expect(second.stdout).toMatch(/^[0-9a-f]{12}: Already exists$/m);
    expect(await docker(['run', '--rm', `${name}:2`, 'cat', '/more'])).toMatchObject({
      code: 0,
      stdout: repository,
    });
  });

  it('pulls what it has built, whose layers only the build cache still has', async () => {
    const built = `${name}:built`;
    const dockerfile = `FROM ${name}:1\nRUN echo ${repository} >/built\n`;
    expect(await docker(['build', '-q', '-t', built, '-'], dockerfile)).toMatchObject({ code: 0 });
    expect(await docker(['push', '-q', built])).toMatchObject({ code: 0 });
    await docker(['rmi', built]);
    const pulled = await docker(['pull', built]);
    expect(pulled.stdout).toMatch(/^[0-9a-f]{12}: Pull complete$/m);
    expect(pulled.stdout).toMatch(/^[0-9a-f]{12}: Already exists$/m);
    await docker(['rmi', built]);
  });

  it('runs an image that is not there', async () => {
    await docker(['rmi', '-f', `${name}:1`]);
    const run = await docker(['run', '--rm', `${name}:1`, 'echo', 'hi']);
    expect(run).toMatchObject({ code: 0, stdout: 'hi\n' });
    expect(run.stderr).toContain(`Unable to find image '${name}:1' locally`);
  });

  it('says what is not there', async () => {
    const tag = await docker(['pull', `${name}:none`]);
    expect(tag.code).toBe(1);
    expect(tag.stderr).toContain(`manifest for ${name}:none not found: manifest unknown`);
  });

  it('pushes, and pulls the same by digest', async () => {
    await docker(['pull', '-q', `${name}:1`]);
    await docker(['tag', `${name}:1`, `${name}-pushed:a`]);
    const pushed = await docker(['push', `${name}-pushed:a`]);
    expect(pushed.stderr).toBe('');
    const digest = /a: digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(pushed.stdout)?.[1];
    const of = async (path: string) =>
      (
        await registry.request('GET', `/v2/team/${path}`, {
          headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
        })
      ).headers['docker-content-digest'];
    expect(digest).toBe(await of(`${repository}/manifests/1`));
    expect(digest).toBe(await of(`${repository}-pushed/manifests/a`));
    await docker(['rmi', `${name}-pushed:a`]);
    const pulled = await docker(['pull', '-q', `${name}-pushed@${digest}`]);
    expect(pulled).toMatchObject({ code: 0, stdout: `${name}-pushed@${digest}\n` });
    expect((await docker(['images', '--digests', `${name}-pushed`])).stdout).toContain(digest);
    await docker(['rmi', `${name}-pushed@${digest}`]);
  });

  if (options.auth) {
    it('lets nobody in who has logged out', async () => {
      expect(await docker(['logout', registry.host])).toMatchObject({ code: 0 });
      const pushed = await docker(['push', `${name}:2`]);
      expect(pushed.code).toBe(1);
      expect(pushed.stderr + pushed.stdout).toMatch(
        /no basic auth credentials|unauthorized|denied|authentication required/,
      );
    });
  }
});

describe('the stock CLI and what a registry has', () => {
  const repository = freshName('many');
  let registry: TestRegistry;
  let name: string;
  const docker = plainDocker;

  beforeAll(async () => {
    registry = await TestRegistry.start();
    name = `${registry.host}/${repository}`;
  });
  afterEach(async () => {
    const { stdout } = await docker(['images', '-q', '--no-trunc', name]);
    const ids = [...new Set(stdout.split('\n').filter(Boolean))];
    if (ids.length > 0) await docker(['rmi', '-f', ...ids]);
  });
  afterAll(() => registry?.stop());

  it.each(['oci', 'docker'] as const)('chooses from an index (%s) by platform', async (format) => {
    const layer = async (text: string) => [
      { tar: await tarOf([{ header: { name: 'arch' }, body: Buffer.from(text) }]) },
    ];
    const rootfs = { tar: await busyboxRootfs() };
    const { index, images } = await putIndex(
      registry,
      `${repository}:${format}`,
      [{ layers: [rootfs] }, { architecture: 'riscv64', layers: await layer('riscv64') }],
      format,
    );
    const pulled = await docker(['pull', `${name}:${format}`]);
    expect(pulled.stdout).toContain(`Digest: ${index.digest}\n`);
    const id = async () => (await docker(['inspect', '-f', '{{.Id}}', `${name}:${format}`])).stdout.trim();
    expect(await id()).toBe(images[0]?.id);
    expect((await docker(['run', '--rm', `${name}:${format}`, 'echo', 'mine'])).stdout).toBe('mine\n');
    expect(await docker(['pull', '--platform', 'linux/riscv64', `${name}:${format}`])).toMatchObject({
      code: 0,
    });
    expect(await id()).toBe(images[1]?.id);
    const none = await docker(['pull', '--platform', 'linux/s390x', `${name}:${format}`]);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('no matching manifest for linux/s390x in the manifest list entries');
  });

  it('pulls all tags', async () => {
    for (const tag of ['a', 'b', 'c']) {
      const tar = await tarOf([{ header: { name: tag } }]);
      await putImage(registry, `${repository}-all:${tag}`, { layers: [{ tar, compression: 'none' }] });
    }
    const pulled = await docker(['pull', '-a', `${name}-all`]);
    expect(pulled).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await docker(['images', '--format', '{{.Tag}}', `${name}-all`]);
    expect(stdout.split('\n').filter(Boolean).sort()).toEqual(['a', 'b', 'c']);
    await docker(['rmi', ...['a', 'b', 'c'].map((tag) => `${name}-all:${tag}`)]);
  });
});
