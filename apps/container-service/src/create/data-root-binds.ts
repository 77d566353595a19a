import { invalidArgument } from '@gantry/shared/errors';
import { DEFAULT_PROPAGATION, type PlannedMount } from './planned-mount';

const ALLOWED = ['rslave', 'rshared'];

/**
 * A bind that reaches the engine's own mounts (of `/`, say) would hold the file systems of all containers in the new one's
 * namespace: unless unmounting gets through to it, they stay in use after their container is gone. So dockerd's rule:
 * rslave where nothing is asked for, and nothing that keeps unmounting out.
 * @throws InvalidArgument in dockerd's words.
 */
export function letUnmountsThrough(plan: PlannedMount[], dataRoot: string): PlannedMount[] {
  return plan.map((mount) => {
    const reaches = isWithin(mount.Source, dataRoot) || isWithin(dataRoot, mount.Source);
    if (mount.Type !== 'bind' || !reaches || ALLOWED.includes(mount.Propagation)) return mount;
    if (mount.propagationByDefault && mount.Propagation === DEFAULT_PROPAGATION) {
      return { ...mount, Propagation: 'rslave' };
    }
    throw invalidArgument(
      `invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, daemon root: ${JSON.stringify(dataRoot)}, bind mount source: ${JSON.stringify(mount.Source)}, propagation: ${JSON.stringify(mount.Propagation)}`,
    );
  });
}

const isWithin = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
