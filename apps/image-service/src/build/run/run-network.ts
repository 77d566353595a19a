import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { SandboxServiceService, type SandboxServiceServer } from '@gantry/proto/network';
import { invalidArgument } from '@gantry/shared/errors';
import { type Client, fromJson, Peers, toJson } from '@gantry/shared/grpc';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { makerOf, ownName } from '../../process-names';
import { RUN_PREFIX } from './run-runtime';

/** A network for one RUN at a time. */
export interface RunNetwork {
  /** undefined: the host's. */
  netns?: string;
  /** What /etc/resolv.conf has to say; undefined: the host's file. */
  resolvConf?: string;
  /** Lines of /etc/hosts after those of localhost. */
  hosts: string[];
  /** undefined: it has none. */
  address?: string;
}

const OWNER = 'build';
const HOST = 'host';

/** Network namespaces for build steps, from the network service. */
@Injectable()
export class RunNetworks {
  private readonly sandboxes: Client<SandboxServiceServer>;

  constructor(
    @Inject(Peers) peers: Peers,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'processes'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.sandboxes = peers.network.client<SandboxServiceServer>(SandboxServiceService);
  }

  /** The networks of one build, which closes them at its end. */
  open(extraHosts: string[]): BuildNetworks {
    return new BuildNetworks(
      (mode) => this.attach(mode, extraHosts),
      (id) => void this.release(id),
    );
  }

  /** Gives back what builds of dead processes had. The network service may be away: the next sweep tries again. */
  async sweep(): Promise<void> {
    try {
      const { sandboxes } = await this.sandboxes.list({});
      for (const { owner, containerId, containerName } of sandboxes) {
        if (owner !== OWNER || makerOf(this.linux, containerName, RUN_PREFIX) !== 'gone') continue;
        await this.sandboxes.release({ containerId });
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'networks of builds that are gone were not looked for');
    }
  }

  private async attach(mode: string, extraHosts: string[]): Promise<{ id: string; network: RunNetwork }> {
    const name = ownName(this.linux, RUN_PREFIX);
    const id = createHash('sha256').update(name).digest('hex');
    const answer = await this.sandboxes.attach({
      containerId: id,
      containerName: name,
      hostname: '',
      domainname: '',
      endpoints: ['none', HOST].includes(mode) ? [] : [{ network: mode, settings: toJson({}).json }],
      portBindings: toJson({}).json,
      exposedPorts: toJson({}).json,
      publishAllPorts: false,
      mode: ['none', HOST].includes(mode) ? mode : 'bridge',
      dns: [],
      dnsSearch: [],
      dnsOptions: [],
      extraHosts,
      links: [],
      owner: OWNER,
    });
    const { Networks } = fromJson<{ Networks: Record<string, { IPAddress?: string }> }>(
      answer.networkSettings,
    );
    const hosts = answer.hosts.map(({ ip, names }) => `${ip}\t${names.join(' ')}`);
    if (mode === HOST) return { id, network: { hosts } };
    const network: RunNetwork = {
      netns: answer.netnsPath,
      resolvConf: answer.resolvConf,
      hosts,
      address: Object.values(Networks)[0]?.IPAddress || undefined,
    };
    return { id, network };
  }

  private async release(containerId: string): Promise<void> {
    try {
      await this.sandboxes.release({ containerId });
    } catch (error) {
      this.logger.warn({ err: error }, 'network of a build not given back; the next sweep does it');
    }
  }
}

/** A namespace is used by one process after the other: all of one have ended when the next begins. */
export class BuildNetworks {
  private readonly idle = new Map<string, RunNetwork[]>();
  private readonly ids: string[] = [];

  constructor(
    private readonly attach: (mode: string) => Promise<{ id: string; network: RunNetwork }>,
    private readonly release: (id: string) => void,
  ) {}

  /** `mode`: `default`, `none`, `host` or the name of a network. @throws InvalidArgument, NotFound */
  async use<T>(mode: string, work: (network: RunNetwork) => Promise<T>): Promise<T> {
    if (mode === HOST) return work((await this.attach(HOST)).network);
    if (mode.startsWith('container:')) {
      throw invalidArgument(`network mode "${mode}" is not supported for builds`);
    }
    const key = ['', 'default', 'bridge'].includes(mode) ? 'default' : mode;
    const idle = this.idle.get(key) ?? [];
    this.idle.set(key, idle);
    const network = idle.pop() ?? (await this.attachOne(key));
    try {
      return await work(network);
    } finally {
      idle.push(network);
    }
  }

  /** Nobody waits for it: the network service goes on by itself. */
  close(): void {
    for (const id of this.ids.splice(0)) this.release(id);
  }

  private async attachOne(mode: string): Promise<RunNetwork> {
    const { id, network } = await this.attach(mode);
    this.ids.push(id);
    return network;
  }
}
