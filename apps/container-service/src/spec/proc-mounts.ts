import { posix } from 'node:path';
import { internal } from '@gantry/shared/errors';

/** Files of /proc that may be replaced: lxcfs does. The list is runc's; crun has none. */
const REPLACEABLE =
  'cpuinfo diskstats meminfo stat swaps uptime loadavg slabinfo net/dev sys/kernel/ns_last_pid sys/crypto/fips_enabled'
    .split(' ')
    .map((name) => `/proc/${name}`);

/**
 * A mount over /proc hides what the kernel says there, and what the runtime has masked.
 * @throws Internal in the words of dockerd with runc
 */
export function refuseOverProc(source: string, destination: string): void {
  const target = posix.resolve('/', destination);
  const wrong = (why: string) =>
    internal(
      'failed to create task for container: failed to create shim task: OCI runtime create failed: runtime create failed: ' +
        'unable to start container process: error during container init: ' +
        `error mounting ${JSON.stringify(source)} to rootfs at ${JSON.stringify(target)}: ` +
        `${JSON.stringify(target)} cannot be mounted because it is ${why}: unknown`,
    );
  if (target === '/proc' && posix.normalize(source) !== '/proc') throw wrong('not of type proc');
  if (target.startsWith('/proc/') && !REPLACEABLE.includes(target)) throw wrong('inside /proc');
}
