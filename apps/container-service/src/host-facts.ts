import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { bootId } from '@gantry/shared/faults';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { CONTAINER_DEFAULTS, type ContainerDefaults } from './create/container-defaults';
import { kernelLimits } from './create/kernel-limits';
import type { LimitFacts } from './create/resource-checks';
import { Runtimes } from './runtime/runtimes';

/** What of the host decides what a container may ask for, and about defaults. */
export interface HostFacts extends LimitFacts {
  appArmor: boolean;
  cgroupDriver: InstanceConfig['cgroupDriver'];
  defaultRuntime: string;
  defaults: ContainerDefaults;
  runtimes: string[];
  /** Whether users of containers are not those of the host, unless a container says so. */
  userRemap: boolean;
}

/** Asks the host once. */
@Injectable()
export class HostFactsProvider {
  /** Changes with every boot of the host. */
  readonly bootId = bootId();
  private known?: HostFacts;
  private init?: string;

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly runtimes: Runtimes,
    @Inject(INSTANCE_CONFIG) private readonly instance: InstanceConfig,
    @Inject(CONTAINER_DEFAULTS) private readonly defaults: ContainerDefaults,
  ) {}

  /** After {@link Runtimes.probe}. */
  get(): HostFacts {
    this.known ??= {
      cgroupV2: this.linux.cgroups.layout().version === 'v2',
      cpus: this.linux.host.cpuCount(),
      kernel: kernelLimits(this.linux.cgroups.layout()),
      appArmor: this.linux.appArmor.available(),
      cgroupDriver: this.instance.cgroupDriver,
      defaultRuntime: this.runtimes.choose('').name,
      defaults: this.defaults,
      userRemap: this.instance.userRemap !== undefined,
      runtimes: this.runtimes.all().map((runtime) => runtime.name),
    };
    return this.known;
  }

  hostname(): string {
    return this.linux.host.hostname();
  }

  /** A static init: it runs in images that have no libraries. */
  initProgram(): string | undefined {
    for (const name of ['docker-init', 'tini-static', 'catatonit', 'tini']) {
      this.init ??= this.linux.host.which(name);
    }
    return this.init;
  }
}
