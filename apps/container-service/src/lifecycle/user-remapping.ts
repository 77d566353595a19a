import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig, type UserRemap } from '@gantry/shared/config';
import type { ContainerRecord } from '../records/container-record';

/** Whose ids on the host the users of a container are (ADR 0024). */
@Injectable()
export class UserRemapping {
  constructor(@Inject(INSTANCE_CONFIG) private readonly instance: InstanceConfig) {}

  /** For its next run; undefined: those of the host. */
  of({ hostConfig }: ContainerRecord): UserRemap | undefined {
    return hostConfig.UsernsMode === 'host' ? undefined : this.instance.userRemap;
  }
}
