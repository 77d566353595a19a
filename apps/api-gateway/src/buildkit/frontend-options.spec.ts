import { frontendBuild } from './frontend-options';

const image = { type: 'moby', attributes: {}, cacheExports: 0 };
const options = (attributes: Record<string, string>) =>
  frontendBuild('dockerfile.v0', attributes, image).options;

it('takes what buildx asks for', () => {
  expect(
    options({
      filename: 'sub/My.dockerfile',
      target: 'app',
      'build-arg:A': 'b',
      'label:l': 'v=w',
      'no-cache': '',
      'image-resolve-mode': 'pull',
      'force-network-mode': 'none',
      'add-hosts': 'h=1.2.3.4,six=::1',
      'shm-size': '1048576',
      ulimit: 'nofile=10:20,nproc=5',
    }),
  ).toMatchObject({
    dockerfile: 'sub/My.dockerfile',
    target: 'app',
    arguments: { A: 'b' },
    labels: { l: 'v=w' },
    noCache: true,
    pull: true,
    networkMode: 'none',
    extraHosts: ['h:1.2.3.4', 'six:::1'],
    limits: {
      shmSize: 1048576,
      ulimits: [
        { Name: 'nofile', Soft: 10, Hard: 20 },
        { Name: 'nproc', Soft: 5, Hard: 5 },
      ],
    },
  });
  expect(options({})).toMatchObject({ dockerfile: 'Dockerfile', noCache: false, pull: false, names: [] });
});

it('gives the image the names of its exporter', () => {
  const exporter = { type: 'moby', attributes: { name: 'docker.io/library/a:1,b/c:2' }, cacheExports: 0 };
  expect(frontendBuild('dockerfile.v0', {}, exporter).options.names).toEqual([
    'docker.io/library/a:1',
    'b/c:2',
  ]);
});

it.each([
  ['gateway.v0', {}, image, 'frontend gateway.v0 is not built yet'],
  ['dockerfile.v0', {}, { ...image, type: 'oci' }, 'exporter "oci" is not built yet'],
  ['dockerfile.v0', {}, { ...image, attributes: { push: 'true' } }, 'pushing from a build is not built yet'],
  ['dockerfile.v0', {}, { ...image, cacheExports: 1 }, 'exporting the cache of a build is not built yet'],
  ['dockerfile.v0', { 'cache-imports': '{' }, image, 'invalid cache-imports: {'],
  ['dockerfile.v0', { 'context:a': 'local:a' }, image, 'the named context a is not built yet'],
  [
    'dockerfile.v0',
    { platform: 'linux/amd64,linux/arm64' },
    image,
    'multi-platform builds are not supported',
  ],
  ['dockerfile.v0', { 'attest:sbom': 'generator=x' }, image, 'attest:sbom is not built yet'],
])('refuses what it cannot do (%#)', (frontend, attributes, exporter, message) => {
  expect(() => frontendBuild(frontend, attributes, exporter)).toThrow(message);
});

it('knows where the cache would be imported from', () => {
  const imports = [{ Type: 'registry', Attrs: { ref: 'a/cache:1' } }, { Type: 'gha' }];
  const { cacheImports } = frontendBuild(
    'dockerfile.v0',
    { 'cache-imports': JSON.stringify(imports) },
    image,
  );
  expect(cacheImports).toEqual(['a/cache:1', 'gha']);
  expect(frontendBuild('dockerfile.v0', {}, image).cacheImports).toEqual([]);
});
