import { digestOf } from '../blobs/blob-store';
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from '../manifests/media-types';
import { type Member, tarOf } from '@gantry/shared/tar';

interface Described {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
}

/** Makes the archives that loading is tried on, piece by piece, so that each piece can lie. */
export class ArchiveMaker {
  readonly members = new Map<string, Member>();

  file(name: string, data: Buffer | string): void {
    this.members.set(name, { name, type: 'file', data });
  }

  link(name: string, linkName: string): void {
    this.members.set(name, { name, type: 'symlink', linkName });
  }

  blob(mediaType: string, data: Buffer): Described {
    const digest = digestOf(data);
    this.file(`blobs/${digest.replace(':', '/')}`, data);
    return { mediaType, digest, size: data.length };
  }

  json(mediaType: string, document: object): Described {
    return this.blob(mediaType, Buffer.from(JSON.stringify(document)));
  }

  /** An image of one layer with one file. Its manifest, and its configuration's blob. */
  image(text: string, more: { os?: string; architecture?: string; layer?: (plain: Buffer) => Buffer } = {}) {
    const plain = layerOf(text);
    const config = this.json(OCI_CONFIG, configOf([plain], more));
    const packed = this.blob(OCI_LAYER, (more.layer ?? ((bytes) => bytes))(plain));
    const manifest = this.json(OCI_MANIFEST, {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config,
      layers: [packed],
    });
    return { manifest, config, layer: packed };
  }

  index(manifests: object[]): Described {
    return this.json(OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  }

  /** index.json, which makes an OCI layout of it. */
  layout(manifests: object[]): this {
    this.file('oci-layout', '{"imageLayoutVersion":"1.0.0"}');
    this.file('index.json', JSON.stringify({ schemaVersion: 2, manifests }));
    return this;
  }

  /** manifest.json, which makes a docker-archive of it. */
  docker(images: { Config: string; RepoTags?: string[]; Layers: string[] }[]): this {
    this.file('manifest.json', JSON.stringify(images));
    return this;
  }

  tar(): Buffer {
    return tarOf([...this.members.values()]);
  }
}

export const layerOf = (text: string): Buffer => tarOf([{ name: `file-${text}`, type: 'file', data: text }]);

export function configOf(
  layers: Buffer[],
  { os = 'linux', architecture = 'amd64' }: { os?: string; architecture?: string } = {},
): object {
  return {
    os,
    architecture,
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(digestOf) },
  };
}

export const pathOf = ({ digest }: { digest: string }): string => `blobs/${digest.replace(':', '/')}`;

export const namedAs = (descriptor: object, name: string): object => ({
  ...descriptor,
  annotations: { 'io.containerd.image.name': name },
});
