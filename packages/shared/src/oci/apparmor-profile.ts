import { internal, messageOf } from '../errors';
import type { Linux } from '../linux';

/** What confines nothing. */
export const UNCONFINED = 'unconfined';
/** What users of dockerd call the profile of containers for which nothing else is asked. */
const DOCKER_DEFAULT = 'docker-default';

/**
 * The AppArmor profile of containers that ask for none. It has dockerd's rules under a name of the instance's own, so that an
 * engine beside it and `npm run clean` do not take it from each other.
 */
export class DefaultAppArmorProfile {
  readonly name: string;
  private loading?: Promise<void>;

  constructor(
    private readonly linux: Linux,
    instance: string,
  ) {
    this.name = `${instance}-default`;
  }

  /** Whether containers are confined here at all. */
  available(): boolean {
    return this.linux.appArmor.available();
  }

  /** The profile that is meant by what a user asks for; undefined and '' are the default. */
  named(asked: string | undefined): string {
    if (asked === undefined || asked === '') return this.name;
    return asked === DOCKER_DEFAULT && !this.linux.appArmor.isLoaded(asked) ? this.name : asked;
  }

  /** Loads the default profile where it is `profile` and the kernel does not have it. @throws Internal */
  async ensure(profile: string | undefined): Promise<void> {
    if (profile !== this.name || this.linux.appArmor.isLoaded(profile)) return;
    this.loading ??= this.linux.appArmor.load(profileSource(profile)).finally(() => {
      this.loading = undefined;
    });
    try {
      await this.loading;
    } catch (error) {
      throw internal(
        `AppArmor enabled on system but the ${profile} profile could not be loaded: ${messageOf(error)}`,
        error,
      );
    }
  }
}

/**
 * Everything is allowed but what reaches the host through /proc and /sys, mounts, and the signals and traces of processes outside.
 * AppArmor has no word for "all but cgroup": a path is excluded a letter at a time.
 */
function profileSource(name: string): string {
  return `#include <tunables/global>

profile ${name} flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>

  network,
  capability,
  file,
  umount,

  signal (receive) peer=unconfined,
  signal (receive) peer={crun,runc,conmon},
  signal (send,receive) peer=${name},
  ptrace (trace,read,tracedby,readby) peer=${name},

  deny mount,

  deny @{PROC}/* w,
  deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,
  deny @{PROC}/sys/[^k]** w,
  deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/kcore rwklx,

  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}
`;
}
