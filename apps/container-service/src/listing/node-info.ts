import { existsSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { CdiRegistry } from '../cdi/cdi-registry';
import { HostFactsProvider } from '../host-facts';
import { DEFAULT_LOG_DRIVER, LOG_DRIVERS } from '../log-drivers/log-drivers';
import { ContainerStore } from '../records/container-store';
import { Runtimes } from '../runtime/runtimes';
import { engineLabels } from './engine-labels';
import { hostWarnings } from './host-warnings';

/** This node's part of `docker info`: its containers, its kernel and what that can limit. */
@Injectable()
export class NodeInfo {
  private readonly labels = engineLabels();

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly store: ContainerStore,
    private readonly runtimes: Runtimes,
    private readonly facts: HostFactsProvider,
    private readonly cdi: CdiRegistry,
  ) {}

  /** API: SystemInfo, the fields that this service knows. */
  describe(): object {
    const { host, cgroups } = this.linux;
    const v2 = cgroups.layout().version === 'v2';
    const cdi = this.cdi.read();
    const { kernel, defaultRuntime, defaults } = this.facts.get();
    const forwarding = host.sysctl('net.ipv4.ip_forward') === '1';
    const records = this.store.all();
    const count = (status: string): number => records.filter(({ state }) => state.Status === status).length;
    const [running, paused] = [count('running') + count('restarting'), count('paused')];
    const bridgeFilter = (family: string): boolean =>
      host.sysctl(`net.bridge.bridge-nf-call-${family}`) === '1';
    return {
      Containers: records.length,
      ContainersRunning: running,
      ContainersPaused: paused,
      ContainersStopped: records.length - running - paused,
      MemoryLimit: kernel.memory,
      SwapLimit: kernel.swap,
      CpuCfsPeriod: kernel.cpuCfs,
      CpuCfsQuota: kernel.cpuCfs,
      CPUShares: kernel.cpuShares,
      CPUSet: kernel.cpuset,
      PidsLimit: kernel.pids,
      OomKillDisable: kernel.oomKillDisable,
      IPv4Forwarding: forwarding,
      BridgeNfIptables: bridgeFilter('iptables'),
      BridgeNfIp6tables: bridgeFilter('ip6tables'),
      KernelVersion: host.uname().release,
      OperatingSystem: host.osName(),
      OSVersion: host.osVersion(),
      OSType: 'linux',
      Architecture: host.uname().machine,
      NCPU: host.cpuCount(),
      MemTotal: host.memoryTotal(),
      Name: host.hostname(),
      CgroupDriver: this.facts.get().cgroupDriver,
      CgroupVersion: v2 ? '2' : '1',
      LoggingDriver: defaults.log.driver ?? DEFAULT_LOG_DRIVER,
      Labels: this.labels,
      LogDrivers: LOG_DRIVERS,
      Runtimes: Object.fromEntries(
        this.runtimes.all().map(({ name }) => [name, { path: host.which(name) ?? name }]),
      ),
      DefaultRuntime: defaultRuntime,
      Components: this.runtimes.all().map(({ name, version }) => ({ Name: name, Version: version })),
      RuncCommit: { ID: this.runtimes.all().find(({ name }) => name === 'runc')?.version ?? '' },
      InitBinary: this.facts.initProgram()?.split('/').at(-1) ?? '',
      CDISpecDirs: this.cdi.directories,
      DiscoveredDevices: [...cdi.devices.keys()].map((ID) => ({ Source: 'cdi', ID })),
      Warnings: [...hostWarnings(kernel, { v2, forwarding }), ...cdi.warnings],
      SecurityOptions: [
        ...(this.linux.appArmor.available() ? ['name=apparmor'] : []),
        ...(host.hasSeccomp() ? ['name=seccomp,profile=builtin'] : []),
        ...(this.facts.get().userRemap ? ['name=userns'] : []),
        ...(v2 && existsSync('/proc/self/ns/cgroup') ? ['name=cgroupns'] : []),
        ...(defaults.noNewPrivileges ? ['name=no-new-privileges'] : []),
      ],
    };
  }
}
