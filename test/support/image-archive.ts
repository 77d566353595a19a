import { createHash } from 'node:crypto';
import { tarOf } from './busybox-image';

interface Archived {
  /** `name:tag`; none: the image is loaded without a name. */
  repoTag?: string;
  /** Uncompressed tars, the lowest first. */
  layers: Buffer[];
  /** What the configuration says of the layers, where that is to be wrong. */
  diffIds?: string[];
  config?: Record<string, unknown>;
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** An archive as `docker save` writes it, and the id that the image will have. */
export async function imageArchive(wanted: Archived): Promise<{ archive: Buffer; id: string }> {
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      created: '2020-01-02T03:04:05Z',
      config: { Env: ['PATH=/bin'], Cmd: ['sh'], ...wanted.config },
      rootfs: {
        type: 'layers',
        diff_ids: wanted.diffIds ?? wanted.layers.map((layer) => `sha256:${sha256(layer)}`),
      },
      history: wanted.layers.map((_, index) => ({
        created: '2020-01-02T03:04:05Z',
        created_by: `step ${index}`,
      })),
    }),
  );
  const id = sha256(config);
  const layerName = (index: number) => `layer-${index}/layer.tar`;
  const manifest = [
    {
      Config: `${id}.json`,
      RepoTags: wanted.repoTag ? [wanted.repoTag] : null,
      Layers: wanted.layers.map((_, index) => layerName(index)),
    },
  ];
  const archive = await tarOf([
    { header: { name: `${id}.json` }, body: config },
    ...wanted.layers.map((body, index) => ({ header: { name: layerName(index) }, body })),
    { header: { name: 'manifest.json' }, body: Buffer.from(JSON.stringify(manifest)) },
  ]);
  return { archive, id: `sha256:${id}` };
}
