import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { DefaultAppArmorProfile, UNCONFINED } from '@gantry/shared/oci';
import type { ContainerRecord } from '../records/container-record';
import { parseSecurityOptions } from './security-options';

/** Which AppArmor profile confines a container, and that the kernel has it. */
@Injectable()
export class AppArmorProfiles implements OnModuleInit {
  private readonly standard: DefaultAppArmorProfile;

  constructor(
    @Inject(LINUX) linux: Linux,
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.standard = new DefaultAppArmorProfile(linux, config.instance);
  }

  /** The first container need not wait until the profile is compiled. */
  onModuleInit(): void {
    if (!this.standard.available()) return;
    this.standard.ensure(this.standard.name).catch((error: unknown) => this.logger.warn({ err: error }));
  }

  /** Of a container that is being started: notes its profile in the record. @throws Internal where it cannot be loaded */
  async prepare(record: ContainerRecord): Promise<void> {
    record.appArmorProfile = this.profileOf(record);
    await this.standard.ensure(record.appArmorProfile);
  }

  /** As dockerd: what is privileged is not confined, whatever profile is asked for. */
  private profileOf({ hostConfig }: ContainerRecord): string | undefined {
    if (!this.standard.available()) return undefined;
    if (hostConfig.Privileged) return UNCONFINED;
    return this.standard.named(parseSecurityOptions(hostConfig.SecurityOpt, false).apparmor);
  }
}
