import { checkFieldTypes, SET, type FieldType, type Struct } from '@gantry/shared/documents';
import { invalidArgument, notFound } from '@gantry/shared/errors';
import { isDigest } from '../references/reference';
import { spellConfigFields } from './config-fields';

/** The part of an image that containers inherit (OCI image-spec, config.md, and Docker's additions to it). */
export interface RuntimeConfig {
  User?: string;
  ExposedPorts?: Record<string, object>;
  Env?: string[];
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  Volumes?: Record<string, object>;
  WorkingDir?: string;
  Labels?: Record<string, string>;
  StopSignal?: string;
  ArgsEscaped?: boolean;
  Healthcheck?: HealthConfig;
  OnBuild?: string[] | null;
  Shell?: string[];
}

/** Durations in nanoseconds. */
export interface HealthConfig {
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

export interface HistoryEntry {
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  empty_layer?: boolean;
}

/** An image configuration document. Other keys may be there and stay as they are: the bytes are the image. */
export interface ImageConfig {
  architecture?: string;
  variant?: string;
  os?: string;
  'os.version'?: string;
  created?: string;
  author?: string;
  comment?: string;
  docker_version?: string;
  container?: string;
  config?: RuntimeConfig | null;
  rootfs: { type: string; diff_ids: string[] };
  history?: HistoryEntry[];
}

const WORDS: FieldType = { list: 'string' };

const IMAGE: Struct = {
  struct: 'image.Image',
  fields: {
    ...{ architecture: 'string', variant: 'string', os: 'string', 'os.version': 'string' },
    ...{
      created: 'string',
      author: 'string',
      comment: 'string',
      docker_version: 'string',
      container: 'string',
    },
    config: {
      struct: 'container.Config',
      fields: {
        ...{ User: 'string', WorkingDir: 'string', StopSignal: 'string', ArgsEscaped: 'bool' },
        ...{ Env: WORDS, Entrypoint: WORDS, Cmd: WORDS, OnBuild: WORDS, Shell: WORDS },
        ...{ ExposedPorts: SET, Volumes: SET, Labels: { map: 'string' } },
        Healthcheck: {
          struct: 'container.HealthConfig',
          fields: {
            ...{ Test: WORDS, Interval: 'int64', Timeout: 'int64', StartPeriod: 'int64' },
            ...{ StartInterval: 'int64', Retries: 'int' },
          },
        },
      },
    },
    rootfs: { struct: 'image.RootFS', fields: { type: 'string' } },
    history: {
      list: {
        struct: 'image.History',
        fields: {
          ...{ created: 'string', created_by: 'string', author: 'string', comment: 'string' },
          empty_layer: 'bool',
        },
      },
    },
  },
};

const MAX_LAYERS = 127;

/** @throws InvalidArgument for what is no image configuration. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw invalidArgument('invalid image JSON', error);
  }
  if (typeof document !== 'object' || document === null) throw invalidArgument('invalid image JSON');
  const config = spellConfigFields(document) as Partial<ImageConfig>;
  if (!config.rootfs) throw invalidArgument('invalid image JSON, no RootFS key');
  checkFieldTypes(config, IMAGE);
  const diffIds: unknown = config.rootfs.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every((id) => typeof id === 'string' && isDigest(id))) {
    throw invalidArgument('invalid image JSON: bad diff_ids');
  }
  if (diffIds.length > MAX_LAYERS) throw invalidArgument('max depth exceeded');
  return { ...config, rootfs: { type: config.rootfs.type ?? 'layers', diff_ids: diffIds } };
}

/** When the image says it was made; the epoch where it does not. */
export function createdAt(config: ImageConfig): Date {
  const created = new Date(config.created ?? 0);
  // Postgres has no room for what Go calls the zero time and beyond.
  return Number.isNaN(created.getTime()) || created.getUTCFullYear() < 1 ? new Date(0) : created;
}

export interface Platform {
  os: string;
  architecture: string;
  variant: string;
}

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = {
  x64: 'amd64',
  ia32: '386',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
  riscv64: 'riscv64',
  s390x: 's390x',
};

export function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch, variant: '' };
}

const SYSTEMS =
  'aix android darwin dragonfly freebsd hurd illumos ios js linux macos nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  );
const KNOWN_ARCHITECTURES = (
  '386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ' +
  'ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm'
).split(' ');
const SYSTEM_PART = '^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.%-]*)((?:\\+[A-Za-z0-9_.%-]+)*)\\))?$';
const PART = '^[A-Za-z0-9_.-]+$';

/** `linux/arm64/v8`, `linux`, `arm64` or empty, which is the host's own. @throws InvalidArgument in Docker's words */
export function parsePlatform(text: string): Platform {
  const host = hostPlatform();
  if (text === '') return host;
  const wrong = (why: string) => invalidArgument(`${why}: invalid argument`);
  const parts = text.split('/');
  if (parts.length > 3) throw wrong(`${JSON.stringify(text)}: cannot parse platform specifier`);
  parts.forEach((part, index) => {
    const given = `${JSON.stringify(part)} is an invalid`;
    if (index === 0 && !new RegExp(SYSTEM_PART).test(part)) {
      const rule = `OSAndVersion specifier component must match ${JSON.stringify(SYSTEM_PART)}`;
      throw wrong(`${given} OS component of ${JSON.stringify(text)}: ${rule}`);
    }
    if (index > 0 && !new RegExp(PART).test(part)) {
      const rule = `platform specifier component must match ${JSON.stringify(PART)}`;
      throw wrong(`${given} component of ${JSON.stringify(text)}: ${rule}`);
    }
  });
  const [first = '', second, variant = ''] = parts.map((part) => part.toLowerCase());
  if (second !== undefined) return { os: first, architecture: normalArchitecture(second), variant };
  if (SYSTEMS.includes(first)) return { ...host, os: first };
  const architecture = normalArchitecture(first);
  if (KNOWN_ARCHITECTURES.includes(architecture)) return { ...host, architecture };
  throw wrong(`${JSON.stringify(text)}: unknown operating system or architecture`);
}

function normalArchitecture(name: string): string {
  return { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64', i386: '386', armhf: 'arm' }[name] ?? name;
}

/** Whether an image may be taken for a wanted platform; what it does not say, it does not contradict. */
export function matchesPlatform(config: ImageConfig, wanted: Platform): boolean {
  return (
    (config.os ?? wanted.os) === wanted.os &&
    (config.architecture || wanted.architecture) === wanted.architecture &&
    (wanted.variant === '' || (config.variant || wanted.variant) === wanted.variant)
  );
}

/** @throws NotFound as dockerd words it, where an image was found by `reference` and is not for that platform */
export function checkPlatform(config: ImageConfig, wanted: Platform, reference: string): void {
  if (matchesPlatform(config, wanted)) return;
  const { os, architecture, variant } = wanted;
  const platform = [os, architecture, variant].filter(Boolean).join('/');
  throw notFound(
    `image with reference ${reference} was found but does not provide the specified platform (${platform})`,
  );
}

/** API: an OCI platform as JSON; empty: none. @throws InvalidArgument */
export function platformOfJson(json: string): Platform | undefined {
  if (json === '') return undefined;
  let platform: Partial<Platform>;
  try {
    platform = JSON.parse(json) as Partial<Platform>;
  } catch (error) {
    throw invalidArgument(`failed to parse platform: ${json}`, error);
  }
  if (!platform?.os || !platform.architecture) {
    throw invalidArgument('both OS and Architecture must be provided');
  }
  return { os: platform.os, architecture: platform.architecture, variant: platform.variant ?? '' };
}
