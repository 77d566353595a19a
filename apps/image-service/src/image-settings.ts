import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { listSetting, readSettings, SettingError } from '@gantry/shared/config';

/** DI token of the ImageSettings. */
export const IMAGE_SETTINGS = Symbol('ImageSettings');

const GIBIBYTE = 1024 ** 3;

const count = (absent: number) => z.coerce.number().int().min(1).default(absent);

const environment = z.object({
  GANTRY_INSECURE_REGISTRIES: listSetting,
  GANTRY_REGISTRY_MIRRORS: listSetting,
  GANTRY_CERTS_DIR: z.string().startsWith('/').default('/etc/docker/certs.d'),
  GANTRY_MAX_DOWNLOADS: count(3),
  GANTRY_MAX_UPLOADS: count(5),
  GANTRY_MAX_UNPACKS: count(Math.min(Math.max(availableParallelism(), 2), 4)),
  GANTRY_DOWNLOAD_SEGMENT: count(64 * 1024 ** 2),
  GANTRY_LAYER_MAX_BYTES: count(64 * GIBIBYTE),
  GANTRY_LAYER_MAX_ENTRIES: count(2_000_000),
  GANTRY_LAYER_MAX_RATIO: count(200),
  GANTRY_PARTIAL_MAX_HOURS: count(24),
  GANTRY_BUILD_CACHE_MAX_BYTES: count(20 * GIBIBYTE),
  GANTRY_BUILD_CACHE_MAX_HOURS: count(14 * 24),
});

/** What an operator may set of this service (docs/architecture.md, "Settings"). */
export interface ImageSettings {
  /** `host[:port]` or CIDR: plain HTTP and unverified certificates are taken from these; loopback is always one. */
  insecureRegistries: string[];
  /** URLs that are asked before docker.io. */
  mirrors: string[];
  /** `<dir>/<host[:port]>/{*.crt,*.cert,*.key}`, as dockerd reads it. */
  certificates: string;
  /** Streams at a time of this process. */
  maxDownloads: number;
  maxUploads: number;
  /** Layers that are unpacked at a time by this process; by default one a processor, 2 to 4. */
  maxUnpacks: number;
  /** Bytes; a larger layer is downloaded in pieces of this size at once. */
  downloadSegment: number;
  layerLimits: LayerLimits;
  /** How long a partial download that nobody resumes is kept. */
  partialMaxHours: number;
  /** How much of builds is kept that no image has, and how long what no build uses. */
  buildCache: { maxBytes: number; maxHours: number };
}

/** What a layer archive must not exceed. */
export interface LayerLimits {
  /** Bytes of the uncompressed archive. */
  maxBytes: number;
  maxEntries: number;
  /** Uncompressed to compressed bytes; counts from 256 MiB uncompressed on. */
  maxRatio: number;
}

/** @throws SettingError that names the variable which is wrong. */
export function loadImageSettings(env: NodeJS.ProcessEnv = process.env): ImageSettings {
  const e = readSettings(environment, env);
  return {
    insecureRegistries: e.GANTRY_INSECURE_REGISTRIES,
    mirrors: e.GANTRY_REGISTRY_MIRRORS.map(mirror),
    certificates: e.GANTRY_CERTS_DIR,
    maxDownloads: e.GANTRY_MAX_DOWNLOADS,
    maxUploads: e.GANTRY_MAX_UPLOADS,
    maxUnpacks: e.GANTRY_MAX_UNPACKS,
    downloadSegment: e.GANTRY_DOWNLOAD_SEGMENT,
    layerLimits: {
      maxBytes: e.GANTRY_LAYER_MAX_BYTES,
      maxEntries: e.GANTRY_LAYER_MAX_ENTRIES,
      maxRatio: e.GANTRY_LAYER_MAX_RATIO,
    },
    partialMaxHours: e.GANTRY_PARTIAL_MAX_HOURS,
    buildCache: { maxBytes: e.GANTRY_BUILD_CACHE_MAX_BYTES, maxHours: e.GANTRY_BUILD_CACHE_MAX_HOURS },
  };
}

/** A URL that ends with a slash, as dockerd shows it. @throws SettingError in dockerd's words */
function mirror(text: string): string {
  const refused = (why: string) => new SettingError(`GANTRY_REGISTRY_MIRRORS: invalid mirror: ${why}`);
  if (!/^[a-z]+:\/\//i.test(text)) {
    throw refused(`no scheme specified for ${JSON.stringify(text)}: must use either 'https://' or 'http://'`);
  }
  if (!URL.canParse(text)) throw refused(`${JSON.stringify(text)} is no URL`);
  const { protocol, href } = new URL(text);
  if (!['http:', 'https:'].includes(protocol)) {
    throw refused(`unsupported scheme in ${JSON.stringify(text)}: must use either 'https://' or 'http://'`);
  }
  return href.endsWith('/') ? href : `${href}/`;
}
