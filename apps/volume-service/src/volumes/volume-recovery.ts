import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { isKind } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { VolumeDrivers } from '../drivers/volume-drivers';
import type { Volume } from './volume';
import { VolumeCatalogue } from './volume-catalogue';
import type { Unfinished } from './volume-disk';

/** Milliseconds. */
const RETRY_MS = 5_000;

/** Settles with plugins what a crash has left open, in the background, for as long as it takes the plugin to answer. */
@Injectable()
export class VolumeRecovery {
  constructor(
    private readonly volumes: VolumeCatalogue,
    private readonly drivers: VolumeDrivers,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  begin({ unfinished, leaving }: { unfinished: Unfinished[]; leaving: Volume[] }): void {
    for (const each of unfinished) void this.untilDone(each.record.name, () => this.settle(each));
    for (const { record } of leaving) void this.untilDone(record.name, () => this.remove(record.name));
  }

  /** Whatever of it the user was told, a volume that the plugin has is one. */
  private async settle(unfinished: Unfinished): Promise<void> {
    const driver = await this.drivers.get(unfinished.record.driver);
    const exists = await driver.describe(unfinished.record).then(
      () => true,
      (error: unknown) => {
        if (isKind(error, 'NotFound')) return false;
        throw error;
      },
    );
    await this.volumes.settleCreation(unfinished, exists);
  }

  private async remove(name: string): Promise<void> {
    try {
      await this.volumes.remove(name);
    } catch (error) {
      // Gone, or taken by a container since.
      if (!isKind(error, 'NotFound') && !isKind(error, 'Conflict')) throw error;
    }
  }

  private async untilDone(volume: string, action: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        this.logger.warn({ err: error, volume }, 'a volume is not settled with its plugin yet');
      }
      await sleep(RETRY_MS, undefined, { ref: false });
    }
  }
}
