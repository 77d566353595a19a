import type { Cgroups } from './cgroups/cgroups.js';
import type { Files } from './files.js';
import type { Host } from './host.js';
import type { Mounts } from './mounts.js';
import type { Namespaces } from './namespaces.js';
import type { Netlink } from './netlink/netlink.js';
import type { Nftables } from './nftables.js';
import type { Paths } from './paths.js';
import type { Processes } from './processes/processes.js';
import type { Seccomp } from './seccomp/seccomp.js';
import type { Sockets } from './sockets.js';

/** Everything Gantry asks of the kernel. No other place of the project makes system calls or starts programs. */
export interface Linux {
  readonly mounts: Mounts;
  readonly namespaces: Namespaces;
  readonly netlink: Netlink;
  readonly nftables: Nftables;
  readonly processes: Processes;
  readonly seccomp: Seccomp;
  readonly cgroups: Cgroups;
  readonly paths: Paths;
  readonly files: Files;
  readonly sockets: Sockets;
  readonly host: Host;
}

/** Injection token of the {@link Linux} port. */
export const LINUX = Symbol('Linux');
