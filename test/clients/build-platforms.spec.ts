import { randomBytes } from 'node:crypto';
import { buildWithSession } from '../support/buildkit-client';
import { tarOf } from '../support/busybox-image';
import { api, docker, instance } from '../support/engine';
import { TestRegistry } from '../support/registry';

const INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json';
/** An ELF header of a program for arm64, which is enough for the kernel to say that it cannot run it. */
const FOREIGN_PROGRAM = Buffer.concat([
  Buffer.from('7f454c46020101000000000000000000', 'hex'),
  Buffer.from('0200b700010000000000400000000000', 'hex'),
  Buffer.alloc(96),
]);

interface Index {
  mediaType: string;
  manifests: { digest: string; platform: { architecture: string; variant?: string } }[];
}

describe('a build for several platforms', () => {
  const mark = `platforms-${randomBytes(4).toString('hex')}`;
  let registry: TestRegistry;
  let name: string;

  beforeAll(async () => {
    registry = await TestRegistry.start();
    name = `${registry.host}/${mark}:1`;
  });
  afterAll(async () => {
    const { body } = await api.get<{ Id: string }[]>(
      `/images/json?filters=${encodeURIComponent(JSON.stringify({ reference: { [`${registry.host}/${mark}`]: true, [mark]: true } }))}`,
    );
    for (const { Id } of body) await api.delete(`/images/${Id}?force=1`);
    await registry?.stop();
  });

  const files = () => [
    {
      path: 'Dockerfile',
      content: [
        'FROM --platform=$BUILDPLATFORM busybox AS build',
        'ARG TARGETPLATFORM',
        `RUN echo ${mark} for $TARGETPLATFORM > /made`,
        'FROM scratch',
        'COPY --from=build /made /made',
      ].join('\n'),
    },
  ];
  const attributes = { platform: 'linux/arm64,linux/amd64,linux/arm/v6' };

  it('ends with an index, which a push of the tag sends with all its images', async () => {
    const built = await buildWithSession(instance.socket, files(), { names: name, attributes });
    expect(built.error).toBe('');
    expect([...built.vertexes.keys()]).toContain(
      '[linux/arm/v6 build 1/2] FROM docker.io/library/busybox:latest',
    );
    expect((await api.get<{ Architecture: string }>(`/images/${name}/json`)).body.Architecture).toBe('amd64');
    await docker(['push', '-q', name]);

    const pushed = await registry.request('GET', `/v2/${mark}/manifests/1`, { headers: { accept: INDEX } });
    expect(pushed.headers['docker-content-digest']).toBe(built.response['containerimage.digest']);
    const index = JSON.parse(pushed.body.toString()) as Index;
    expect(index.manifests.map(({ platform }) => [platform.architecture, platform.variant])).toEqual([
      ['arm64', undefined],
      ['amd64', undefined],
      ['arm', 'v6'],
    ]);
    for (const [position, platform] of ['linux/arm64', 'linux/amd64', 'linux/arm/v6'].entries()) {
      const copy = `${registry.host}/${mark}@${index.manifests[position]?.digest}`;
      const out = await buildWithSession(
        instance.socket,
        [
          {
            path: 'Dockerfile',
            content: `FROM busybox\nCOPY --from=${copy} /made /\nRUN cat /made # ${mark}`,
          },
        ],
        {},
      );
      expect([out.error, out.log]).toEqual(['', expect.stringContaining(`${mark} for ${platform}\n`)]);
    }
  });

  it('is an index in an archive', async () => {
    const wanted = { names: `${mark}:archive`, attributes, exporter: 'oci' };
    const { error, received } = await buildWithSession(instance.socket, files(), wanted);
    expect(error).toBe('');
    const loaded = await api.post('/images/load', received);
    expect(loaded.text).toContain(`Loaded image: ${mark}:archive`);
    expect((await api.get<{ Architecture: string }>(`/images/${mark}:archive/json`)).body.Architecture).toBe(
      'amd64',
    );
  });

  it('is a directory a platform, where files are wanted', async () => {
    const wanted = { attributes, exporter: 'local' };
    const { error, files: received } = await buildWithSession(instance.socket, files(), wanted);
    expect(error).toBe('');
    expect(received.map(({ path, content }) => [path, content])).toEqual([
      ['linux_amd64', ''],
      ['linux_amd64/made', `${mark} for linux/amd64\n`],
      ['linux_arm64', ''],
      ['linux_arm64/made', `${mark} for linux/arm64\n`],
      ['linux_arm_v6', ''],
      ['linux_arm_v6/made', `${mark} for linux/arm/v6\n`],
    ]);
  });

  it.each(['tar', 'docker'])('is not sent by the exporter %s', async (exporter) => {
    const { error } = await buildWithSession(instance.socket, files(), { attributes, exporter });
    expect(error).toBe(`the exporter ${exporter} of several platforms is not built yet`);
  });

  it('fails where a context is an image of one platform', async () => {
    const { body } = await api.get<{ Id: string }>('/images/busybox/json');
    const { error } = await buildWithSession(
      instance.socket,
      [{ path: 'Dockerfile', content: 'FROM base\nLABEL a=b' }],
      { attributes: { ...attributes, 'context:base': `docker-image://${body.Id}` } },
    );
    expect(error).toBe(
      `image with reference ${body.Id} was found but does not provide the specified platform (linux/arm64)`,
    );
  });

  it('fails where a command is of an architecture that the host has no emulator for', async () => {
    const base = `${mark}:foreign`;
    const rootfs = await tarOf([{ header: { name: 'bin/sh', mode: 0o755 }, body: FOREIGN_PROGRAM }]);
    await api.post(
      `/images/create?fromSrc=-&repo=${encodeURIComponent(base)}&platform=linux%2Farm64`,
      rootfs,
    );
    const { error, log } = await buildWithSession(
      instance.socket,
      [{ path: 'Dockerfile', content: `FROM ${base}\nRUN true` }],
      { attributes: { platform: 'linux/arm64' } },
    );
    expect(log).toContain('exec /bin/sh: exec format error');
    expect(error).toMatch(/^process "\/bin\/sh -c true" did not complete successfully: exit code: \d+$/);
  });
});
