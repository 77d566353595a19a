import { LONGEST_TIMER_MS } from '../longest-timer';
import type { ContainerConfig, HealthConfig } from '../records/api-documents';

/** What to run and when. Milliseconds. */
export interface HealthCheck {
  command: string[];
  interval: number;
  timeout: number;
  startPeriod: number;
  startInterval: number;
  retries: number;
}

const DEFAULT_SHELL = ['/bin/sh', '-c'];

/**
 * The check of a container with Docker's defaults filled in; undefined where it has none. Where checks come more often than
 * Docker's 5 seconds of a start, the first ones do too: dockerd makes whoever waits for a container wait for those (ADR 0035).
 */
export function healthCheckOf(
  config: Pick<ContainerConfig, 'Healthcheck' | 'Shell'>,
): HealthCheck | undefined {
  const health: HealthConfig = config.Healthcheck ?? {};
  const command = commandOf(health.Test ?? [], config.Shell);
  if (!command) return undefined;
  const interval = millis(health.Interval, 30_000);
  return {
    command,
    interval,
    timeout: millis(health.Timeout, 30_000),
    startPeriod: millis(health.StartPeriod, 0),
    startInterval: millis(health.StartInterval, Math.min(5_000, interval)),
    retries: health.Retries || 3,
  };
}

function commandOf([kind, ...rest]: string[], shell: string[] | undefined): string[] | undefined {
  if (rest.length === 0) return undefined;
  if (kind === 'CMD') return rest;
  return kind === 'CMD-SHELL' ? [...(shell?.length ? shell : DEFAULT_SHELL), rest[0] as string] : undefined;
}

const millis = (nanos: number | undefined, otherwise: number): number =>
  nanos ? Math.min(nanos / 1e6, LONGEST_TIMER_MS) : otherwise;

/** As Go prints a time.Duration: `400ms`, `1.5s`, `2m0s`, `1h0m30s`. */
export function goDuration(ms: number): string {
  if (ms < 1000) return `${Number(ms.toFixed(6))}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = `${Number(((ms % 60_000) / 1000).toFixed(9))}s`;
  return hours > 0 ? `${hours}h${minutes}m${seconds}` : minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
