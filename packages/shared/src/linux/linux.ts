import type { AppArmor } from './apparmor';
import type { Cgroups } from './cgroups/cgroups';
import type { Credentials } from './credentials';
import type { Files } from './files';
import type { Host } from './host';
import type { Mounts } from './mounts';
import type { Namespaces } from './namespaces';
import type { Conntrack } from './netlink/conntrack';
import type { Netlink } from './netlink/netlink';
import type { Nftables } from './nftables';
import type { Paths } from './paths';
import type { Processes } from './processes/processes';
import type { Quotas } from './quotas';
import type { Seccomp } from './seccomp/seccomp';
import type { Sockets } from './sockets';
import type { UserNamespaces } from './user-namespaces';

/** Everything Gantry asks of the kernel. No other place of the project makes system calls or starts programs. */
export interface Linux {
  readonly mounts: Mounts;
  readonly namespaces: Namespaces;
  readonly userNamespaces: UserNamespaces;
  readonly credentials: Credentials;
  readonly netlink: Netlink;
  readonly nftables: Nftables;
  readonly conntrack: Conntrack;
  readonly processes: Processes;
  readonly seccomp: Seccomp;
  readonly cgroups: Cgroups;
  readonly paths: Paths;
  readonly files: Files;
  readonly quotas: Quotas;
  readonly sockets: Sockets;
  readonly appArmor: AppArmor;
  readonly host: Host;
}

/** Injection token of the {@link Linux} port. */
export const LINUX = Symbol('Linux');
