import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LINUX, type Linux, type NftablesMonitor } from '@gantry/shared/linux';

/** @param tables that were touched, `inet gantry`; undefined where that is not known */
export type ForeignChange = (tables: ReadonlySet<string> | undefined) => void;

/** What other programs do to nftables on this host. */
@Injectable()
export class RulesetWatch implements OnApplicationShutdown {
  private readonly listeners: ForeignChange[] = [];
  private monitor?: NftablesMonitor;

  constructor(@Inject(LINUX) private readonly linux: Pick<Linux, 'nftables'>) {}

  onForeignChange(listener: ForeignChange): void {
    this.listeners.push(listener);
    this.monitor ??= this.linux.nftables.monitor(({ own, tables }) => {
      if (own) return;
      for (const each of this.listeners) each(tables);
    });
  }

  onApplicationShutdown(): void {
    this.monitor?.close();
  }
}
