import { invalidArgument } from '@gantry/shared/errors';
import type { HostConfig } from '../records/api-documents';

const RESTART_POLICIES = ['no', 'always', 'unless-stopped', 'on-failure'];

/** For create and update alike. */
export function checkRestartPolicy({
  RestartPolicy,
  AutoRemove,
}: Pick<HostConfig, 'RestartPolicy' | 'AutoRemove'>): void {
  const { Name, MaximumRetryCount } = RestartPolicy;
  if (!RESTART_POLICIES.includes(Name)) {
    throw invalidArgument(
      `invalid restart policy: unknown policy '${Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (Name !== 'on-failure' && MaximumRetryCount !== 0) {
    throw invalidArgument(
      "invalid restart policy: maximum retry count can only be used with 'on-failure'" +
        (MaximumRetryCount < 0 ? ' and cannot be negative' : ''),
    );
  }
  if (MaximumRetryCount < 0) {
    throw invalidArgument('invalid restart policy: maximum retry count cannot be negative');
  }
  if (AutoRemove && Name !== 'no') {
    throw invalidArgument("can't create 'AutoRemove' container with restart policy");
  }
}
