import { closeSync, mkdirSync } from 'node:fs';
import type { UserRemap } from '@gantry/shared/config';
import {
  type ConntrackSocket,
  hasCode,
  type Linux,
  type Link,
  type NetlinkSocket,
} from '@gantry/shared/linux';
import { HostFirewall } from '../firewall/host-firewall';
import type { FirewallTable } from '../firewall/table';
import type { Family } from '../ipam/cidr';
import { bringUp, createInterface, defaultRoute } from './container-interface';
import type { PublishedPort } from '../records/sandbox-record';
import { ensureBridge, ensureParent } from './host-links';
import { setSysctl } from './kernel-settings';
import { allowLargePieces, largePieces } from './large-pieces';
import type {
  BridgePlan,
  DefaultRoute,
  InterfacePlan,
  ParentPlan,
  ResolverSockets,
  SandboxPlan,
} from './plans';
import { openResolverSockets } from './resolver-sockets';
import { forgetStrayFlows } from './stray-flows';

type Port = Pick<
  Linux,
  'conntrack' | 'mounts' | 'namespaces' | 'userNamespaces' | 'netlink' | 'nftables' | 'sockets' | 'host'
>;

/**
 * Everything this service does to the kernel. All of it is synchronous and runs in one worker thread: while the kernel
 * takes namespaces down, any netlink request may wait 50-90 ms, and nobody but that thread shall wait with it.
 */
export class NetworkStack {
  private readonly host: NetlinkSocket;
  private readonly hostFirewall: HostFirewall;
  private conntrack?: ConntrackSocket;
  private readonly gsoMaxSize?: number;

  /** `userRemap`: whose users the containers are, if they are not the host's. */
  constructor(
    private readonly linux: Port,
    private readonly userRemap?: UserRemap,
  ) {
    this.host = linux.netlink.open();
    this.hostFirewall = new HostFirewall(linux.nftables);
    this.gsoMaxSize = largePieces(linux.host);
  }

  /**
   * Routing between our bridges and the world. And the host's loopback: a connection to a published port of 127.0.0.1 begins
   * there, and keeps its size of pieces. The user namespace that every network namespace belongs to comes before those.
   */
  prepareHost(): void {
    this.setSysctl('net/ipv4/ip_forward', '1');
    if (this.gsoMaxSize !== undefined) allowLargePieces(this.host, ['lo'], this.gsoMaxSize);
    if (this.userRemap) {
      mkdirSync(this.userRemap.directory, { recursive: true, mode: 0o711 });
      this.linux.userNamespaces.keep(this.userRemap.namespace, this.userRemap.mapping);
    }
  }

  /**
   * Routing of IPv6. A host that takes its own routes from router advertisements would stop to do so once it forwards:
   * those of its links go on listening (accept_ra 2).
   */
  prepareIpv6(): void {
    if (this.linux.host.sysctl('net/ipv6/conf/all/forwarding') !== '0') return;
    for (const { name } of this.host.links()) {
      const setting = `net/ipv6/conf/${name}/accept_ra`;
      if (this.linux.host.sysctl(setting) === '1') this.setSysctl(setting, '2');
    }
    this.setSysctl('net/ipv6/conf/default/forwarding', '1');
    this.setSysctl('net/ipv6/conf/all/forwarding', '1');
  }

  /** Addresses and routes of the host in any of its tables, with prefix length; without default routes. */
  hostSubnets(): string[] {
    const routes = this.host
      .routes(undefined, 'all')
      .flatMap((route) => (route.destination ? [route.destination] : []));
    return [...this.host.addresses().map((address) => address.address), ...routes];
  }

  /** The links whose alias begins with `aliasPrefix`. */
  ownLinks(aliasPrefix: string): Pick<Link, 'name' | 'kind' | 'master'>[] {
    return this.host
      .links()
      .filter((link) => link.alias?.startsWith(aliasPrefix))
      .map(({ name, kind, master }) => ({ name, kind, master }));
  }

  describeLink(name: string): Pick<Link, 'kind' | 'alias'> | undefined {
    const link = this.host.link(name);
    return link && { kind: link.kind, alias: link.alias };
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
    ensureBridge(this.linux.host, this.host, plan);
  }

  /** Makes the parent of macvlan or ipvlan interfaces, unless it is there. */
  ensureParent(plan: ParentPlan): void {
    ensureParent(this.linux.host, this.host, plan);
  }

  /** Takes addresses off a link. No error for those it does not have. */
  removeAddresses(name: string, addresses: string[]): void {
    const link = this.host.link(name)?.index;
    if (link === undefined) return;
    const known = this.host.addresses(link).filter(({ address }) => addresses.includes(address));
    this.host.send(known.map(({ address }) => ({ type: 'delete-address', link, address })));
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
    this.linux.namespaces.createNetworkNamespace(plan.path, this.userRemap?.namespace);
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

  /** One more interface in a namespace that is in use. On failure nothing of it is left. */
  addInterface(path: string, plan: InterfacePlan): void {
    const namespace = this.linux.namespaces.openNetworkNamespace(path);
    let made = false;
    try {
      createInterface(this.host, namespace, plan, this.gsoMaxSize);
      made = true;
      this.inside(namespace, (socket) => bringUp(this.linux, socket, plan, this.gsoMaxSize));
    } catch (error) {
      if (plan.hostLink) this.removeLink(plan.hostLink);
      else if (made) this.removeInterface(path, plan.name);
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

  /** Replaces the default routes of both families. */
  setDefaultRoutes(path: string, routes: DefaultRoute[]): void {
    this.inside(path, (socket) => {
      const old = socket.routes().filter((route) => route.destination === undefined);
      socket.send([
        ...old.map(({ gateway, link, family }) => ({ type: 'delete-route', gateway, link, family }) as const),
        ...routes.map((route) => defaultRoute(socket, route)),
      ]);
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

  /** See {@link forgetStrayFlows}. After the rules for these ports have changed. */
  forgetFlows(ports: PublishedPort[]): void {
    const local = this.host.addresses().map(({ address }) => address.split('/')[0] ?? '');
    this.conntrack ??= this.linux.conntrack.open();
    forgetStrayFlows(this.conntrack, ports, new Set(local));
  }

  /** Of which families another program's rules drop forwarded packets that they do not know (dockerd's do). */
  familiesDropped(): Family[] {
    return this.hostFirewall.familiesDropped();
  }

  /** What {@link openResolverSockets} does, in a namespace. */
  openResolver(path: string, port = 0): ResolverSockets {
    return this.linux.namespaces.withinNetworkNamespace(path, () => openResolverSockets(this.linux, port));
  }

  /** A bound socket inside a namespace, to ask a server from there. Answers its descriptor, the caller's. */
  outgoingSocket(path: string, protocol: 'tcp' | 'udp', family: Family): number {
    const address = family === 4 ? '0.0.0.0' : '::';
    return this.linux.namespaces.withinNetworkNamespace(
      path,
      () => this.linux.sockets.bind({ protocol, address, port: 0 }).fd,
    );
  }

  close(): void {
    this.host.close();
    this.hostFirewall.close();
    this.conntrack?.close();
  }

  private fillSandbox(plan: SandboxPlan): void {
    const namespace = this.linux.namespaces.openNetworkNamespace(plan.path);
    try {
      for (const one of plan.interfaces) createInterface(this.host, namespace, one, this.gsoMaxSize);
      this.inside(namespace, (socket) => {
        socket.send([{ type: 'set-link', link: 'lo', up: true }]);
        for (const one of plan.interfaces) bringUp(this.linux, socket, one, this.gsoMaxSize);
        if (plan.defaultRoutes.length > 0) {
          socket.send(plan.defaultRoutes.map((route) => defaultRoute(socket, route)));
        }
      });
    } finally {
      closeSync(namespace);
    }
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

  private setSysctl(path: string, value: string): void {
    setSysctl(this.linux.host, path, value);
  }
}
