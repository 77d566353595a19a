import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import type { BuildExport, BuildJob } from '@gantry/shared/queue';
import { cgroupParentOf } from '../build/build-options';
import { type CacheOptions, cacheExportsOf, cacheImportsOf } from './cache-options';

/** What a client asks of the Dockerfile frontend, by the names of BuildKit's dockerfile.v0. */
export interface FrontendBuild {
  options: Omit<BuildJob, 'uploadId' | 'credentialsId' | 'dockerfileId' | 'contexts' | 'session'>;
  /** Where files come from beside the context: what BuildKit's clients write, by name in lower case. */
  contexts: Record<string, string>;
  /** The Dockerfile is with the client though the context is not. */
  hasOwnDockerfile: boolean;
  /** Types of caches that there are not: the client hears so. */
  unknownCaches: string[];
}

export interface Exporter {
  /** Empty: none. */
  type: string;
  attributes: Attributes;
  cacheExports: CacheOptions[];
}

type Attributes = Record<string, string>;

/** Exporters whose result is an image of the engine, and none at all. */
const IMAGE_EXPORTERS = ['', 'moby', 'image'];
const FILE_EXPORTERS: readonly string[] = ['tar', 'local', 'docker', 'oci'];
/** What else may be said of files that are sent: it is how they are sent anyway, or nothing of theirs. */
const FILE_ATTRIBUTES: Readonly<Record<string, (value: string) => boolean>> = {
  name: () => true,
  dest: () => true,
  tar: (value) => value === 'true',
  'oci-mediatypes': (value) => value === 'true',
  compression: (value) => value === 'uncompressed',
  'platform-split': (value) => value === 'false',
};
const FRONTENDS = ['dockerfile.v0'];
/** Of what BuildKit makes beside an image nothing is made here: asked for by default, it is left out; else it is refused. */
const ATTESTATION = 'attest:';
const CONTEXT = 'context:';
/** What may be asked of a Dockerfile instead of a build (BuildKit, frontend/subrequests). */
const REQUEST = /^frontend\.(lint|outline|targets)$/;

/** @throws InvalidArgument and NotImplemented for what this builder cannot do */
export function frontendBuild(frontend: string, attributes: Attributes, exporter: Exporter): FrontendBuild {
  if (!FRONTENDS.includes(frontend)) throw notImplemented(`frontend ${frontend} is not built yet`);
  refuseUnknown(attributes);
  const names = listOf(exporter.attributes['name']);
  const result = exportOf(exporter, names);
  const { imports, unknown } = cacheImportsOf(cacheEntries(attributes));
  const uncached = attributes['no-cache'];
  return {
    contexts: contextsOf(attributes),
    hasOwnDockerfile: attributes['dockerfilekey'] !== undefined,
    unknownCaches: unknown,
    options: {
      remote: attributes['context'] ?? '',
      dockerfile: attributes['filename'] || 'Dockerfile',
      names: result ? [] : names,
      arguments: prefixed(attributes, 'build-arg:'),
      labels: prefixed(attributes, 'label:'),
      target: attributes['target'] ?? '',
      platform: attributes['platform'] ?? '',
      noCache: uncached === '',
      noCacheStages: listOf(uncached).map((stage) => stage.toLowerCase()),
      pull: attributes['image-resolve-mode'] === 'pull',
      describe: questionOf(attributes['requestid']),
      isForBuildKit: true,
      quiet: false,
      removesContainers: true,
      squash: false,
      cacheFrom: [],
      cacheImports: imports,
      cacheExports: cacheExportsOf(exporter.cacheExports),
      export: result,
      networkMode: attributes['force-network-mode'] ?? '',
      extraHosts: listOf(attributes['add-hosts']).map(hostOf),
      limits: {
        memory: 0,
        memorySwap: 0,
        cpuShares: 0,
        cpuPeriod: 0,
        cpuQuota: 0,
        cpusetCpus: '',
        cpusetMems: '',
        cgroupParent: cgroupParentOf(attributes['cgroup-parent'] ?? ''),
        shmSize: Number(attributes['shm-size'] ?? 0),
        ulimits: ulimitsOf(attributes['ulimit'] ?? ''),
      },
    },
  };
}

function questionOf(request: string | undefined): BuildJob['describe'] {
  if (request === undefined) return undefined;
  const [, what] = REQUEST.exec(request) ?? [];
  if (what === undefined) throw notImplemented(`unsupported request ${request}`);
  return what as BuildJob['describe'];
}

/** undefined: the result is an image of the engine. */
function exportOf({ type, attributes }: Exporter, names: string[]): BuildExport | undefined {
  if (IMAGE_EXPORTERS.includes(type)) {
    // What buildx calls `moby` it pushes itself.
    if (attributes['push'] === 'true' && type !== 'moby') {
      throw notImplemented('pushing from a build is not built yet');
    }
    return undefined;
  }
  if (!FILE_EXPORTERS.includes(type)) {
    throw invalidArgument(`exporter ${JSON.stringify(type)} could not be found`);
  }
  for (const [name, value] of Object.entries(attributes)) {
    const isFine = Object.hasOwn(FILE_ATTRIBUTES, name) && FILE_ATTRIBUTES[name]?.(value);
    if (!isFine) throw notImplemented(`exporter option ${name}=${value} is not built yet`);
  }
  return { type: type as BuildExport['type'], names };
}

function refuseUnknown(attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith(ATTESTATION) && !isDefaultAttestation(value)) {
      throw notImplemented(`${name} is not built yet: build with --provenance=false --sbom=false`);
    }
  }
}

/** `mode=min,inline-only=true` is what buildx adds by itself, for exporters that can carry it. */
const isDefaultAttestation = (value: string): boolean =>
  /disabled=true|inline-only=true/.test(value) || value === '';

/** `cache-imports` is a list of BuildKit's CacheOptionsEntry as JSON. @throws InvalidArgument where it is not */
function cacheEntries(attributes: Attributes): CacheOptions[] {
  const text = attributes['cache-imports'] ?? '';
  if (text === '') {
    return listOf(attributes['cache-from']).map((ref) => ({ type: 'registry', attributes: { ref } }));
  }
  try {
    const entries = JSON.parse(text) as { Type?: string; Attrs?: Attributes }[];
    return entries.map(({ Type = '', Attrs }) => ({ type: Type, attributes: Attrs ?? {} }));
  } catch (error) {
    throw invalidArgument(`invalid cache-imports: ${text}`, error);
  }
}

function contextsOf(attributes: Attributes): Record<string, string> {
  const contexts = prefixed(attributes, CONTEXT);
  for (const name of Object.keys(contexts)) {
    if (name.includes('::')) throw notImplemented(`the named context ${name} of a platform is not built yet`);
  }
  return Object.fromEntries(Object.entries(contexts).map(([name, from]) => [name.toLowerCase(), from]));
}

function prefixed(attributes: Attributes, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

const listOf = (text: string | undefined): string[] => (text ?? '').split(',').filter(Boolean);

/** BuildKit writes `name=ip`, the API `name:ip`. */
const hostOf = (host: string): string => host.replace('=', ':');

/** `nofile=1024:2048,nproc=10` */
function ulimitsOf(text: string): BuildJob['limits']['ulimits'] {
  return listOf(text).map((limit) => {
    const [, Name = '', soft = '', hard = soft] = /^([^=]+)=(-?\d+)(?::(-?\d+))?$/.exec(limit) ?? [];
    if (Name === '') throw invalidArgument(`invalid ulimit ${limit}`);
    return { Name, Soft: Number(soft), Hard: Number(hard) };
  });
}
