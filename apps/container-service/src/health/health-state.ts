import type { Health, HealthResult } from '../records/api-documents';
import type { HealthCheck } from './health-config';

/** How many results inspect shows. */
const KEPT_RESULTS = 5;

export const startingHealth = (before?: Health): Health => ({
  Status: 'starting',
  FailingStreak: 0,
  Log: before?.Log ?? [],
});

/** Milliseconds to the next check of a container that was started `age` milliseconds ago. */
export function nextCheck(check: HealthCheck, health: Health, age: number): number {
  return health.Status === 'starting' && age < check.startPeriod ? check.startInterval : check.interval;
}

/**
 * Puts the result of a check that began `age` milliseconds after the container in the state. A failure counts unless the
 * container is still starting within its start period. Returns whether the status is another one.
 */
export function applyResult(health: Health, result: HealthResult, check: HealthCheck, age: number): boolean {
  const before = health.Status;
  health.Log = [...(health.Log ?? []), result].slice(-KEPT_RESULTS);
  if (result.ExitCode === 0) {
    health.FailingStreak = 0;
    health.Status = 'healthy';
  } else if (before !== 'starting' || age >= check.startPeriod) {
    health.FailingStreak += 1;
    if (health.FailingStreak >= check.retries) health.Status = 'unhealthy';
  }
  return health.Status !== before;
}
