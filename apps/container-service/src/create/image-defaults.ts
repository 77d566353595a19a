import { posix } from 'node:path';
import type { ContainerConfig, HealthConfig } from '../records/api-documents';

/** The parts of an OCI image config (image-spec, config.md, with Docker's additions) that a container inherits. */
export interface ImageConfigDocument {
  os?: string;
  architecture?: string;
  variant?: string;
  config?: Partial<ContainerConfig> | null;
}

/** A container's own configuration over its image's, as `docker create` merges them. Returns a new document. */
export function withImageDefaults(
  own: ContainerConfig,
  image: Partial<ContainerConfig> = {},
): ContainerConfig {
  const merged: ContainerConfig = { ...own };
  merged.User = own.User || image.User || '';
  merged.WorkingDir = cleanPath(own.WorkingDir || image.WorkingDir || '');
  merged.ExposedPorts = union(image.ExposedPorts, own.ExposedPorts);
  merged.Volumes = union(image.Volumes, own.Volumes) ?? null;
  merged.Labels = { ...image.Labels, ...own.Labels };
  merged.Env = environment(own.Env, image.Env);
  merged.StopSignal = own.StopSignal || image.StopSignal || undefined;
  merged.Shell = own.Shell ?? image.Shell ?? undefined;
  merged.OnBuild = own.OnBuild ?? null;
  if (!own.Entrypoint?.length) {
    if (!own.Cmd?.length) {
      merged.Cmd = image.Cmd ?? null;
      merged.ArgsEscaped = image.ArgsEscaped;
    }
    merged.Entrypoint = own.Entrypoint ?? image.Entrypoint ?? null;
  }
  // `--entrypoint ""` means none at all, not the image's.
  if (merged.Entrypoint?.length === 1 && merged.Entrypoint[0] === '') merged.Entrypoint = null;
  if (merged.Entrypoint?.length === 0) merged.Entrypoint = null;
  merged.Healthcheck = healthcheck(own.Healthcheck, image.Healthcheck);
  return merged;
}

const cleanPath = (path: string): string => (path.startsWith('/') ? posix.resolve(path) : path);

function union(
  a: Record<string, object> | null | undefined,
  b: Record<string, object> | null | undefined,
): Record<string, object> | undefined {
  const both = { ...a, ...b };
  return Object.keys(both).length > 0 ? both : undefined;
}

/** The container's own variables first, then those of the image that it does not set itself. */
function environment(own: string[] | null, image: string[] | null | undefined): string[] {
  const name = (entry: string) => entry.split('=', 1)[0];
  const set = new Set((own ?? []).map(name));
  return [...(own ?? []), ...(image ?? []).filter((entry) => !set.has(name(entry)))];
}

function healthcheck(
  own: HealthConfig | undefined,
  image: HealthConfig | undefined,
): HealthConfig | undefined {
  if (!own || !image) return own ?? image;
  return {
    Test: own.Test?.length ? own.Test : image.Test,
    Interval: own.Interval || image.Interval,
    Timeout: own.Timeout || image.Timeout,
    StartPeriod: own.StartPeriod || image.StartPeriod,
    StartInterval: own.StartInterval || image.StartInterval,
    Retries: own.Retries || image.Retries,
  };
}
