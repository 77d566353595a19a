import { type Exporter, frontendBuild } from './frontend-options';

const image: Exporter = { type: 'moby', attributes: {}, cacheExports: [] };
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
  const exporter = { type: 'moby', attributes: { name: 'docker.io/library/a:1,b/c:2' }, cacheExports: [] };
  expect(frontendBuild('dockerfile.v0', {}, exporter).options.names).toEqual([
    'docker.io/library/a:1',
    'b/c:2',
  ]);
});

it.each([
  ['gateway.v0', {}, image, 'frontend gateway.v0 is not built yet'],
  ['dockerfile.v0', {}, { ...image, type: 'nonesuch' }, 'exporter "nonesuch" could not be found'],
  [
    'dockerfile.v0',
    {},
    { ...image, type: 'oci', attributes: { compression: 'zstd' } },
    'exporter option compression=zstd is not built yet',
  ],
  [
    'dockerfile.v0',
    {},
    { ...image, type: 'image', attributes: { push: 'true' } },
    'pushing from a build is not built yet',
  ],
  [
    'dockerfile.v0',
    {},
    { ...image, cacheExports: [{ type: 'gha', attributes: {} }] },
    'unknown cache exporter: "gha"',
  ],
  ['dockerfile.v0', { 'cache-imports': '{' }, image, 'invalid cache-imports: {'],
  [
    'dockerfile.v0',
    { 'context:a::linux/amd64': 'local:a' },
    image,
    'the named context a::linux/amd64 of a platform',
  ],
  ['dockerfile.v0', { requestid: 'frontend.x' }, image, 'unsupported request frontend.x'],
  ['dockerfile.v0', { 'attest:sbom': 'generator=x' }, image, 'attest:sbom is not built yet'],
])('refuses what it cannot do (%#)', (frontend, attributes, exporter, message) => {
  expect(() => frontendBuild(frontend, attributes, exporter)).toThrow(message);
});

it('knows where the cache comes from', () => {
  const imports = [{ Type: 'registry', Attrs: { ref: 'a/cache:1' } }, { Type: 'gha' }];
  const build = frontendBuild('dockerfile.v0', { 'cache-imports': JSON.stringify(imports) }, image);
  expect(build.options.cacheImports).toEqual([{ kind: 'registry', reference: 'a/cache:1' }]);
  expect(build.unknownCaches).toEqual(['gha']);
  expect(options({})).toMatchObject({ cacheImports: [], cacheFrom: [] });
});

it('does without the cache for all stages, or for those that are named', () => {
  expect(options({ 'no-cache': 'One,two' })).toMatchObject({ noCache: false, noCacheStages: ['one', 'two'] });
  expect(options({ 'no-cache': '' })).toMatchObject({ noCache: true, noCacheStages: [] });
});

it('sends to the client what is to be no image of the engine', () => {
  const exporter = {
    type: 'docker',
    attributes: { name: 'a:1', dest: '-' },
    cacheExports: [{ type: 'inline', attributes: {} }],
  };
  const build = frontendBuild('dockerfile.v0', { 'context:Base': 'docker-image://b:2' }, exporter);
  expect(build.options).toMatchObject({ names: [], export: { type: 'docker', names: ['a:1'] } });
  expect(build.contexts).toEqual({ base: 'docker-image://b:2' });
});

const cache = (type: string, attributes: Record<string, string>) => ({
  ...image,
  cacheExports: [{ type, attributes }],
});

it('knows where the cache goes', () => {
  const exports = (type: string, attributes: Record<string, string>) =>
    frontendBuild('dockerfile.v0', {}, cache(type, attributes)).options.cacheExports;
  expect(exports('inline', {})).toEqual([]);
  expect(exports('registry', { ref: 'a/cache:1', mode: 'max', 'ignore-error': 'true' })).toEqual([
    { to: { kind: 'registry', reference: 'a/cache:1' }, mode: 'max', manifest: 'image', ignoresErrors: true },
  ]);
  expect(exports('local', { dest: '/c', 'image-manifest': 'false' })).toEqual([
    { to: { kind: 'client', store: 'local:/c' }, mode: 'min', manifest: 'index', ignoresErrors: false },
  ]);
});

it.each([
  ['registry', {}, 'registry cache exporter requires ref'],
  ['local', {}, 'local cache exporter requires dest'],
  ['local', { dest: '/c', mode: 'all' }, 'cache option mode=all is not built yet'],
  ['registry', { ref: 'a', compression: 'zstd' }, 'cache option compression=zstd is not built yet'],
  ['registry', { ref: 'a', ttl: '1' }, 'cache option ttl=1 is not built yet'],
])('refuses a cache that it cannot write (%#)', (type, attributes, message) => {
  expect(() => frontendBuild('dockerfile.v0', {}, cache(type, attributes))).toThrow(message);
});
