import { invalidArgument } from '@gantry/shared/errors';
import type { ContainerConfig, HealthConfig } from '../records/api-documents';
import { signalNumber } from '@gantry/shared/signals';

const MILLISECOND = 1_000_000;

/** The API's ContainerConfig with everything in it that was left out. @throws InvalidArgument in Docker's words. */
export function completeContainerConfig(given: Partial<ContainerConfig>): ContainerConfig {
  const config: ContainerConfig = {
    Hostname: given.Hostname ?? '',
    Domainname: given.Domainname ?? '',
    User: given.User ?? '',
    AttachStdin: given.AttachStdin ?? false,
    AttachStdout: given.AttachStdout ?? false,
    AttachStderr: given.AttachStderr ?? false,
    ExposedPorts: given.ExposedPorts ?? undefined,
    Tty: given.Tty ?? false,
    OpenStdin: given.OpenStdin ?? false,
    StdinOnce: given.StdinOnce ?? false,
    Env: given.Env ?? null,
    Cmd: words(given.Cmd),
    Healthcheck: given.Healthcheck ?? undefined,
    ArgsEscaped: given.ArgsEscaped,
    Image: given.Image ?? '',
    Volumes: given.Volumes ?? null,
    WorkingDir: given.WorkingDir ?? '',
    Entrypoint: words(given.Entrypoint),
    NetworkDisabled: given.NetworkDisabled,
    OnBuild: given.OnBuild ?? null,
    Labels: given.Labels ?? {},
    StopSignal: given.StopSignal || undefined,
    StopTimeout: given.StopTimeout ?? undefined,
    Shell: words(given.Shell) ?? undefined,
  };
  if (config.Image === '') throw invalidArgument('invalid reference format');
  if (config.WorkingDir !== '' && !config.WorkingDir.startsWith('/')) {
    throw invalidArgument(
      `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  if (config.StopSignal) signalNumber(config.StopSignal);
  for (const entry of config.Env ?? []) {
    if (entry === '' || entry.startsWith('='))
      throw invalidArgument(`invalid environment variable: ${entry}`);
  }
  if (config.Healthcheck) checkHealth(config.Healthcheck);
  return config;
}

/** The API takes a single string for a list of one. */
export function words(value: unknown): string[] | null {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? (value as string[]) : null;
}

function checkHealth(health: HealthConfig): void {
  for (const field of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = health[field] ?? 0;
    if (value !== 0 && value < MILLISECOND) {
      throw invalidArgument(`${field} in Healthcheck cannot be less than 1ms`);
    }
  }
  if ((health.Retries ?? 0) < 0) throw invalidArgument('Retries in Healthcheck cannot be negative');
}
