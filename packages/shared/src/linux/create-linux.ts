import { KernelAppArmor } from './apparmor';
import { KernelCgroups } from './cgroups/kernel-cgroups';
import { KernelCredentials } from './credentials';
import { KernelFiles } from './files';
import { KernelHost } from './host';
import type { Linux } from './linux';
import { KernelMounts } from './mounts';
import { KernelNamespaces } from './namespaces';
import { KernelConntrack } from './netlink/conntrack';
import { KernelNetlink } from './netlink/kernel-netlink';
import { LibNftables } from './nftables';
import { KernelPaths } from './paths';
import { HostProcesses } from './processes/host-processes';
import { KernelQuotas } from './quotas';
import { LibSeccomp } from './seccomp/lib-seccomp';
import { KernelSockets } from './sockets';
import { KernelUserNamespaces } from './user-namespaces';

/** The real thing. Cheap: every library and every function of it is only looked up when it is first called. */
export function createLinux(): Linux {
  const mounts = new KernelMounts();
  const processes = new HostProcesses();
  return {
    mounts,
    namespaces: new KernelNamespaces(),
    userNamespaces: new KernelUserNamespaces(mounts),
    credentials: new KernelCredentials(),
    netlink: new KernelNetlink(),
    nftables: new LibNftables(),
    conntrack: new KernelConntrack(),
    processes,
    seccomp: new LibSeccomp(),
    cgroups: new KernelCgroups(mounts),
    paths: new KernelPaths(),
    files: new KernelFiles(),
    quotas: new KernelQuotas(),
    sockets: new KernelSockets(),
    appArmor: new KernelAppArmor(processes),
    host: new KernelHost(),
  };
}
