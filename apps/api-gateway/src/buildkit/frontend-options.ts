import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import type { BuildJob } from '@gantry/shared/queue';

/** What a client asks of the Dockerfile frontend, by the names of BuildKit's dockerfile.v0. */
export interface FrontendBuild {
  options: Omit<BuildJob, 'uploadId' | 'credentialsId' | 'dockerfileId'>;
  /** What the client would have its cache from: only the engine's own is used, and the client hears so. */
  cacheImports: string[];
}

type Attributes = Record<string, string>;

/** Exporters whose result is an image of the engine, and none at all. */
const IMAGE_EXPORTERS = ['', 'moby', 'image', 'docker'];
const FRONTENDS = ['dockerfile.v0'];
/** Of what BuildKit makes beside an image nothing is made here: asked for by default, it is left out; else it is refused. */
const ATTESTATION = 'attest:';

/** @throws InvalidArgument and NotImplemented for what this builder cannot do */
export function frontendBuild(
  frontend: string,
  attributes: Attributes,
  exporter: { type: string; attributes: Attributes; cacheExports: number },
): FrontendBuild {
  if (!FRONTENDS.includes(frontend)) throw notImplemented(`frontend ${frontend} is not built yet`);
  if (!IMAGE_EXPORTERS.includes(exporter.type)) {
    throw notImplemented(`exporter ${JSON.stringify(exporter.type)} is not built yet`);
  }
  if (exporter.attributes['push'] === 'true') throw notImplemented('pushing from a build is not built yet');
  if (exporter.cacheExports > 0) throw notImplemented('exporting the cache of a build is not built yet');
  refuseUnknown(attributes);
  const context = attributes['context'] ?? '';
  return {
    cacheImports: cacheImports(attributes),
    options: {
      remote: context,
      dockerfile: attributes['filename'] || 'Dockerfile',
      names: (exporter.attributes['name'] ?? '').split(',').filter(Boolean),
      arguments: prefixed(attributes, 'build-arg:'),
      labels: prefixed(attributes, 'label:'),
      target: attributes['target'] ?? '',
      platform: attributes['platform'] ?? '',
      noCache: 'no-cache' in attributes,
      pull: attributes['image-resolve-mode'] === 'pull',
      quiet: false,
      removesContainers: true,
      squash: false,
      cacheFrom: [],
      networkMode: attributes['force-network-mode'] ?? '',
      extraHosts: (attributes['add-hosts'] ?? '').split(',').filter(Boolean).map(hostOf),
      limits: {
        memory: 0,
        memorySwap: 0,
        cpuShares: 0,
        cpuPeriod: 0,
        cpuQuota: 0,
        cpusetCpus: '',
        cpusetMems: '',
        shmSize: Number(attributes['shm-size'] ?? 0),
        ulimits: ulimitsOf(attributes['ulimit'] ?? ''),
      },
    },
  };
}

function refuseUnknown(attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('context:'))
      throw notImplemented(`the named context ${name.slice(8)} is not built yet`);
    if (name === 'platform' && value.includes(',')) {
      throw invalidArgument('multi-platform builds are not supported: name one platform');
    }
    if (name === 'cgroup-parent' && value !== '') throw notImplemented(`${name} of builds is not built yet`);
    if (name === 'requestid') throw notImplemented(`the frontend's request ${value} is not built yet`);
    if (name.startsWith(ATTESTATION) && !isDefaultAttestation(value)) {
      throw notImplemented(`${name} is not built yet: build with --provenance=false --sbom=false`);
    }
  }
}

/** `mode=min,inline-only=true` is what buildx adds by itself, for exporters that can carry it. */
const isDefaultAttestation = (value: string): boolean =>
  /disabled=true|inline-only=true/.test(value) || value === '';

/** `cache-imports` is a list of BuildKit's CacheOptionsEntry as JSON. @throws InvalidArgument where it is not */
function cacheImports(attributes: Attributes): string[] {
  const text = attributes['cache-imports'] ?? '';
  if (text === '') return [];
  try {
    const entries = JSON.parse(text) as { Type?: string; Attrs?: Attributes }[];
    return entries.map(({ Type = '', Attrs }) => Attrs?.['ref'] ?? Type);
  } catch (error) {
    throw invalidArgument(`invalid cache-imports: ${text}`, error);
  }
}

function prefixed(attributes: Attributes, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

/** BuildKit writes `name=ip`, the API `name:ip`. */
const hostOf = (host: string): string => host.replace('=', ':');

/** `nofile=1024:2048,nproc=10` */
function ulimitsOf(text: string): BuildJob['limits']['ulimits'] {
  return text
    .split(',')
    .filter(Boolean)
    .map((limit) => {
      const [, Name = '', soft = '', hard = soft] = /^([^=]+)=(-?\d+)(?::(-?\d+))?$/.exec(limit) ?? [];
      if (Name === '') throw invalidArgument(`invalid ulimit ${limit}`);
      return { Name, Soft: Number(soft), Hard: Number(hard) };
    });
}
