import type { Paths } from '@gantry/shared/linux';
import type { ContainerRecord } from '../records/container-record';
import { containerCapabilities, type OciProcess, processEnvironment, resolveUser } from '@gantry/shared/oci';
import type { ExecConfig } from './exec-record';

/**
 * The OCI process of an exec: as confined as the container's own (`init`, of its config.json), with what the exec says
 * about command, user, environment and directory. `rootfs`: where the container's files are seen.
 *
 * @throws InvalidArgument for a user the container does not know
 */
export function execProcess(
  container: ContainerRecord,
  init: OciProcess,
  config: ExecConfig,
  paths: Pick<Paths, 'openInRoot'>,
  rootfs: string,
): OciProcess {
  const user = resolveUser(
    paths,
    rootfs,
    config.User || container.config.User,
    container.hostConfig.GroupAdd,
  );
  const [height, width] = config.ConsoleSize ?? [0, 0];
  const allowed = config.Privileged ? containerCapabilities(null, null, true) : init.capabilities.bounding;
  return {
    terminal: config.Tty ?? false,
    ...(config.Tty && height > 0 && width > 0 ? { consoleSize: { height, width } } : {}),
    user: {
      uid: user.uid,
      gid: user.gid,
      additionalGids: user.additionalGids,
      ...(init.user.umask === undefined ? {} : { umask: init.user.umask }),
    },
    args: config.Cmd ?? [],
    env: processEnvironment([...(container.config.Env ?? []), ...(config.Env ?? [])], {
      hostname: container.config.Hostname,
      tty: config.Tty ?? false,
      home: user.home,
      links: [],
    }),
    cwd: config.WorkingDir || container.config.WorkingDir || '/',
    // A process that is not root's loses all but the bounding set when it begins; the kernel sees to that.
    capabilities: { bounding: allowed, effective: allowed, permitted: allowed },
    rlimits: init.rlimits,
    noNewPrivileges: init.noNewPrivileges,
    oomScoreAdj: init.oomScoreAdj,
    // As dockerd: a privileged exec stays in the container's profile.
    ...(init.apparmorProfile ? { apparmorProfile: init.apparmorProfile } : {}),
  };
}
