import { readdirSync } from 'node:fs';
import os from 'node:os';
import { DOCKER_VERSION, type InstanceConfig } from '@gantry/shared/config';
import type { GatewayConfig } from '../config';
import type { JsonObject } from '../shaping/json-objects';

/** What the services know of their parts of the host; undefined: the service is away. */
export interface HostParts {
  /** API: SystemInfo, as far as container-service knows it; with what is not of the API: LogDrivers, Components. */
  node?: JsonObject;
  images?: number;
  driverStatus?: unknown;
  /** API: RegistryServiceConfig. */
  registryConfig?: unknown;
  /** API: SystemInfo, as far as network-service knows it. */
  network?: JsonObject;
  volumeDrivers?: string[];
  /** Warnings that say which are away. */
  missing: string[];
  /** Clients of this gateway that follow events. */
  eventListeners: number;
}

/** Whoever can reach one of `hosts` without a certificate is root here. */
function openHosts({ hosts, tls }: GatewayConfig): string[] {
  return hosts
    .filter((host) => host.startsWith('tcp://') && tls === undefined)
    .map(
      (host) =>
        `WARNING: API is accessible on http://${host.slice('tcp://'.length)} without encryption.\n` +
        '         Access to the remote API is equivalent to root access on the host. Refer\n' +
        "         to the 'Docker daemon attack surface' section in the documentation for\n" +
        '         more information: https://docs.docker.com/go/attack-surface/',
    );
}

/** API: SystemInfo. What container-service knows of its node goes over what can be said without it. */
export function systemInfo(config: InstanceConfig, gateway: GatewayConfig, parts: HostParts): JsonObject {
  const { LogDrivers: logDrivers, Warnings: ofNode, ...known } = parts.node ?? {};
  const warnings = [
    ...parts.missing,
    ...openHosts(gateway),
    ...(Array.isArray(ofNode) ? (ofNode as unknown[]) : []),
  ];
  return {
    ID: config.nodeId,
    Containers: 0,
    ContainersRunning: 0,
    ContainersPaused: 0,
    ContainersStopped: 0,
    Images: parts.images ?? 0,
    Driver: 'overlay2',
    DriverStatus: parts.driverStatus ?? [],
    Plugins: {
      Volume: parts.volumeDrivers ?? ['local'],
      Network: ['bridge', 'host', 'ipvlan', 'macvlan', 'null'],
      Authorization: null,
      Log: logDrivers ?? [],
    },
    MemoryLimit: false,
    SwapLimit: false,
    CpuCfsPeriod: false,
    CpuCfsQuota: false,
    CPUShares: false,
    CPUSet: false,
    PidsLimit: false,
    IPv4Forwarding: false,
    Debug: ['trace', 'debug'].includes(config.logLevel),
    NFd: readdirSync('/proc/self/fd').length,
    OomKillDisable: false,
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: '',
    CgroupDriver: 'cgroupfs',
    CgroupVersion: '1',
    NEventsListener: parts.eventListeners,
    KernelVersion: os.release(),
    OperatingSystem: os.type(),
    OSVersion: '',
    OSType: 'linux',
    Architecture: os.machine(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: parts.registryConfig ?? null,
    NCPU: os.cpus().length,
    MemTotal: os.totalmem(),
    GenericResources: null,
    DockerRootDir: config.dataRoot,
    HttpProxy: '',
    HttpsProxy: '',
    NoProxy: '',
    Name: os.hostname(),
    Labels: [],
    ExperimentalBuild: gateway.experimental,
    ServerVersion: DOCKER_VERSION,
    Runtimes: {},
    DefaultRuntime: '',
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: '',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: [],
    CDISpecDirs: [],
    FirewallBackend: { Driver: 'nftables' },
    ...parts.network,
    ...known,
    Components: undefined, // GET /version has them
    Warnings: warnings.length > 0 ? warnings : null,
  };
}
