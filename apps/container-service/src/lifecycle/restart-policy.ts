import type { RestartPolicy } from '../records/api-documents';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
/** A run of this length counts as a success: the next delay is the first again. */
const GOOD_RUN_MS = 10_000;
/** As long as `docker stop` gives a container to end. */
const OUTLIVED_MS = 10_000;

export interface EndOfRun {
  exitCode: number;
  /** Milliseconds. */
  ran: number;
  stoppedByUser: boolean;
  /** Restarts by the policy since the container was started by hand. */
  restarts: number;
}

/** Whether the policy wants a container that has just ended to run again. */
export function wantsRestart(policy: RestartPolicy, end: EndOfRun): boolean {
  if (end.stoppedByUser) return false;
  switch (policy.Name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return (
        end.exitCode !== 0 && (policy.MaximumRetryCount === 0 || end.restarts < policy.MaximumRetryCount)
      );
    default:
      return false;
  }
}

/**
 * Whether a container that has just ended did so because of a signal that a person sent. dockerd takes it for that however
 * long ago it was, so that one `kill -s HUP` turns the policy off for good: what is outlived by so much was not the end.
 */
export function endedBySignal({ signalledAt }: { signalledAt?: number }, now = Date.now()): boolean {
  return signalledAt !== undefined && now - signalledAt < OUTLIVED_MS;
}

/** Whether the policy wants a container that does not run to be started after a reboot of the host. */
export function wantsStartAtBoot(policy: RestartPolicy, end: Omit<EndOfRun, 'ran'>): boolean {
  // What a person has stopped stays so, but for `always`; dockerd starts it again with `on-failure`, too.
  return policy.Name === 'always' || wantsRestart(policy, { ...end, ran: 0 });
}

/** Milliseconds until the restart: 100, doubled each time up to a minute. `previous` is the last delay, 0 for none. */
export function restartDelay(previous: number, ran: number): number {
  if (previous === 0 || ran >= GOOD_RUN_MS) return FIRST_DELAY_MS;
  return Math.min(previous * 2, LONGEST_DELAY_MS);
}
