import { closeSync } from 'node:fs';
import { internal } from '@gantry/shared/errors';
import {
  hasCode,
  type Linux,
  type Link,
  type NetlinkRequest,
  type NetlinkSocket,
} from '@gantry/shared/linux';
import { HostFirewall } from '../firewall/host-firewall';
import type { FirewallTable } from '../firewall/table';
import type { BridgePlan, DefaultRoute, InterfacePlan, ResolverSockets, SandboxPlan } from './plans';
import { RESOLVER_ADDRESS } from './resolver-address';

type Port = Pick<Linux, 'mounts' | 'namespaces' | 'netlink' | 'nftables' | 'sockets' | 'host'>;

/**
 * Everything this service does to the kernel. All of it is synchronous and runs in one worker thread: while the kernel
 * takes namespaces down, any netlink request may wait 50-90 ms, and nobody but that thread shall wait with it.
 */
export class NetworkStack {
  private readonly host: NetlinkSocket;
  private readonly hostFirewall: HostFirewall;

  constructor(private readonly linux: Port) {
    this.host = linux.netlink.open();
    this.hostFirewall = new HostFirewall(linux.nftables);
  }

  /** Routing between our bridges and the world. */
  prepareHost(): void {
    this.setSysctl('net/ipv4/ip_forward', '1');
  }

  /** Addresses and routes of the host, as `a.b.c.d/n`; IPv4 only, without the default route. */
  hostSubnets(): string[] {
    const addresses = this.host.addresses().filter((address) => address.family === 4);
    const routes = this.host.routes(4).flatMap((route) => (route.destination ? [route.destination] : []));
    return [...addresses.map((address) => address.address), ...routes];
  }

  /** The links whose alias begins with `aliasPrefix`. */
  ownLinks(aliasPrefix: string): Pick<Link, 'name' | 'kind' | 'master'>[] {
    return this.host
      .links()
      .filter((link) => link.alias?.startsWith(aliasPrefix))
      .map(({ name, kind, master }) => ({ name, kind, master }));
  }

  hasLink(name: string): boolean {
    return this.host.link(name) !== undefined;
  }

  /** Those of the links that are no more. */
  goneLinks(names: string[]): string[] {
    return names.filter((name) => !this.hasLink(name));
  }

  /** Makes the bridge, or completes the one that is there: idempotent. */
  ensureBridge(plan: BridgePlan): void {
    if (!this.host.link(plan.name)) {
      this.host.send([{ type: 'add-bridge', name: plan.name, alias: plan.alias, mtu: plan.mtu }]);
    }
    const link = this.indexOf(plan.name);
    const address = plan.address;
    if (address && !this.host.addresses(link).some((known) => known.address === address)) {
      this.host.send([{ type: 'add-address', link, address }]);
    }
    this.host.send([{ type: 'set-link', link, up: true }]);
    // Lets packets for 127.0.0.1:port be sent on to a container; the firewall drops 127/8 that comes from one.
    this.setSysctl(`net/ipv4/conf/${plan.name}/route_localnet`, '1');
    this.setSysctl(`net/ipv6/conf/${plan.name}/accept_ra`, '0');
  }

  /** Synchronous in the kernel, 20 ms. No error when it is gone. */
  removeLink(name: string): void {
    try {
      this.host.send([{ type: 'delete-link', link: name }]);
    } catch (error) {
      if (!hasCode(error, 'ENODEV')) throw error;
    }
  }

  /** Makes a namespace with all its interfaces. On failure nothing of it is left. */
  buildSandbox(plan: SandboxPlan): void {
    this.linux.namespaces.createNetworkNamespace(plan.path);
    try {
      this.fillSandbox(plan);
    } catch (error) {
      for (const { hostLink } of plan.interfaces) if (hostLink) this.removeLink(hostLink);
      this.linux.namespaces.removeNetworkNamespace(plan.path);
      throw error;
    }
  }

  /** Lets go of namespaces; the kernel takes them and their interfaces down in its own time. */
  dropSandboxes(paths: string[]): void {
    for (const path of paths) this.linux.namespaces.removeNetworkNamespace(path);
  }

  /** Which of these paths hold a namespace: those that are mount points. */
  keptSandboxes(paths: string[]): string[] {
    const mounted = new Set(this.linux.mounts.listMounts().map((mount) => mount.mountPoint));
    return paths.filter((path) => mounted.has(path));
  }

  /** One more interface in a namespace that is in use. */
  addInterface(path: string, plan: InterfacePlan): void {
    const namespace = this.linux.namespaces.openNetworkNamespace(path);
    try {
      this.createInterface(namespace, plan);
      this.inside(namespace, (socket) => this.bringUp(socket, plan));
    } catch (error) {
      if (plan.hostLink) this.removeLink(plan.hostLink);
      throw error;
    } finally {
      closeSync(namespace);
    }
  }

  /** Takes an interface out of a namespace. No error when it is gone. */
  removeInterface(path: string, name: string): void {
    this.inside(path, (socket) => {
      try {
        socket.send([{ type: 'delete-link', link: name }]);
      } catch (error) {
        if (!hasCode(error, 'ENODEV')) throw error;
      }
    });
  }

  /** Replaces the default route, or only removes it. */
  setDefaultRoute(path: string, route: DefaultRoute | undefined): void {
    this.inside(path, (socket) => {
      for (const known of socket.routes(4)) {
        if (known.destination === undefined) {
          socket.send([{ type: 'delete-route', gateway: known.gateway, link: known.link }]);
        }
      }
      if (route) socket.send([this.defaultRoute(socket, route)]);
    });
  }

  /** One nftables transaction on the host. */
  firewall(commands: string): void {
    this.hostFirewall.run(commands);
  }

  /** Makes `table inet <name>` what it shall be, touching only what differs. Answers how many commands it took. */
  reconcileFirewall(table: string, desired: FirewallTable): number {
    return this.hostFirewall.reconcile(table, desired);
  }

  /** Whether another program's rules drop forwarded packets that they do not know (dockerd's do). */
  othersDropForwarded(): boolean {
    return this.hostFirewall.othersDropForwarded();
  }

  /**
   * The sockets of the resolver inside a namespace, and the rule that leads port 53 there. `port` is that of an earlier
   * call for the same namespace, so that nothing inside it changes.
   */
  openResolver(path: string, port = 0): ResolverSockets {
    return this.linux.namespaces.withinNetworkNamespace(path, () => {
      const udp = this.linux.sockets.bind({ protocol: 'udp', address: RESOLVER_ADDRESS, port });
      try {
        const tcp = this.linux.sockets.bind({ protocol: 'tcp', address: RESOLVER_ADDRESS, port: udp.port });
        this.linux.nftables.run(resolverRules(udp.port));
        return { udp: udp.fd, tcp: tcp.fd, port: udp.port };
      } catch (error) {
        closeSync(udp.fd);
        throw error;
      }
    });
  }

  close(): void {
    this.host.close();
    this.hostFirewall.close();
  }

  private fillSandbox(plan: SandboxPlan): void {
    const namespace = this.linux.namespaces.openNetworkNamespace(plan.path);
    try {
      for (const one of plan.interfaces) this.createInterface(namespace, one);
      this.inside(namespace, (socket) => {
        socket.send([{ type: 'set-link', link: 'lo', up: true }]);
        for (const one of plan.interfaces) this.bringUp(socket, one);
        if (plan.defaultRoute) socket.send([this.defaultRoute(socket, plan.defaultRoute)]);
      });
    } finally {
      closeSync(namespace);
    }
  }

  private createInterface(netns: number, plan: InterfacePlan): void {
    const parent = this.indexOf(plan.parent);
    if (plan.kind !== 'veth') {
      const { name, mac, mtu } = plan;
      this.host.send([
        plan.kind === 'macvlan'
          ? { type: 'add-macvlan', name, mac, mtu, netns, parent, mode: macvlanMode(plan.mode) }
          : { type: 'add-ipvlan', name, mtu, netns, parent, mode: ipvlanMode(plan.mode) },
      ]);
      return;
    }
    const name = plan.hostLink;
    if (!name) throw internal('a veth pair needs a name for its host end');
    this.host.send([
      {
        type: 'add-veth',
        name,
        alias: plan.alias,
        mtu: plan.mtu,
        master: parent,
        up: true,
        peer: { name: plan.name, mac: plan.mac, mtu: plan.mtu, netns },
      },
    ]);
    // With bridge-nf-call-iptables a packet for one's own published port is turned round inside the bridge.
    const { isolated } = plan;
    this.host.send([{ type: 'set-port', link: this.indexOf(name), hairpin: true, isolated }]);
  }

  private bringUp(socket: NetlinkSocket, plan: InterfacePlan): void {
    const link = socket.link(plan.name)?.index;
    if (link === undefined) throw internal(`the interface ${plan.name} did not appear in its namespace`);
    // Without an IPv6 address there is nothing but a link-local one to announce.
    this.setSysctl(`net/ipv6/conf/${plan.name}/disable_ipv6`, '1');
    const requests: NetlinkRequest[] = [
      { type: 'add-address', link, address: plan.address },
      { type: 'set-link', link, up: true },
    ];
    socket.send(requests);
    for (const { name, value } of plan.sysctls ?? []) this.linux.host.setSysctl(name, value);
  }

  private defaultRoute(socket: NetlinkSocket, route: DefaultRoute): NetlinkRequest {
    return { type: 'add-route', gateway: route.gateway, link: socket.link(route.interfaceName)?.index };
  }

  private inside<T>(namespace: string | number, action: (socket: NetlinkSocket) => T): T {
    return this.linux.namespaces.withinNetworkNamespace(namespace, () => {
      const socket = this.linux.netlink.open();
      try {
        return action(socket);
      } finally {
        socket.close();
      }
    });
  }

  /** In the namespace the thread is in at the time. What the kernel was built without is left out. */
  private setSysctl(path: string, value: string): void {
    try {
      this.linux.host.setSysctl(path, value);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }

  private indexOf(name: string): number {
    const link = this.host.link(name);
    if (!link) throw internal(`network interface ${name} not found`);
    return link.index;
  }
}

function macvlanMode(mode = 'bridge'): 'bridge' | 'private' | 'vepa' | 'passthru' {
  if (mode === 'bridge' || mode === 'private' || mode === 'vepa' || mode === 'passthru') return mode;
  throw internal(`requested macvlan mode '${mode}' is not valid`);
}

function ipvlanMode(mode = 'l2'): 'l2' | 'l3' | 'l3s' {
  if (mode === 'l2' || mode === 'l3' || mode === 'l3s') return mode;
  throw internal(`requested ipvlan mode '${mode}' is not valid`);
}

/** Adding to a table that is there would double its rules: it is made anew in the same transaction. */
function resolverRules(port: number): string {
  const table = 'ip gantry_dns';
  const rule = (protocol: string) =>
    `add rule ${table} output ip daddr ${RESOLVER_ADDRESS} ${protocol} dport 53 dnat to ${RESOLVER_ADDRESS}:${port}`;
  return [
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table}`,
    `add chain ${table} output { type nat hook output priority -100; }`,
    rule('udp'),
    rule('tcp'),
  ].join('\n');
}
