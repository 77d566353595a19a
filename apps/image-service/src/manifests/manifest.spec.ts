import { parseManifest } from './manifest';

const digest = `sha256:${'a'.repeat(64)}`;
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 2 };
const parse = (document: object) =>
  parseManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, ...document })), '');

it('takes null where Go writes it for a list without elements: an image without layers', () => {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  expect(parse({ mediaType, config, layers: null })).toMatchObject({ kind: 'manifest', layers: [] });
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: 5, urls: null };
  expect(parse({ mediaType, config, layers: [layer], subject: null })).toMatchObject({ layers: [layer] });
  const index = { mediaType: 'application/vnd.oci.image.index.v1+json', manifests: null };
  expect(parse(index)).toMatchObject({ kind: 'index', manifests: [] });
});

it('refuses a manifest that has no such list at all', () => {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  expect(() => parse({ mediaType, config })).toThrow('invalid manifest: no layers');
});
