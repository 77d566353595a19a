import { Injectable } from '@nestjs/common';
import { invalidArgument, isKind } from '@gantry/shared/errors';
import { checkFilterNames, filterTerms, matchesLabels, type FilterTerms } from '@gantry/shared/filters';
import { ContainerEvents } from '../lifecycle/container-events';
import { ContainerStopper } from '../lifecycle/container-stopper';
import { ContainerStore } from '../records/container-store';
import { millisOf } from '../records/timestamps';
import { ContainerListing, type ListQuery } from './container-listing';

/** `docker container prune`. */
@Injectable()
export class ContainerPrune {
  constructor(
    private readonly store: ContainerStore,
    private readonly listing: ContainerListing,
    private readonly stopper: ContainerStopper,
    private readonly events: ContainerEvents,
  ) {}

  /** API: ContainerPruneResponse. */
  async prune(
    filters: ListQuery['filters'],
  ): Promise<{ ContainersDeleted: string[]; SpaceReclaimed: number }> {
    const terms = filterTerms(filters);
    checkFilterNames(terms, ['label', 'label!', 'until']);
    const before = untilMillis(terms);
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const record of this.store.all()) {
      if (record.state.Running || record.removal || millisOf(record.created) > before) continue;
      if (!matchesLabels(terms, record.config.Labels)) continue;
      const { SizeRw = 0 } = await this.listing.sizes(record);
      try {
        await this.stopper.remove(record.id, { force: false, volumes: false });
      } catch (error) {
        if (isKind(error, 'Conflict') || isKind(error, 'NotFound')) continue; // started or removed meanwhile
        throw error;
      }
      deleted.push(record.id);
      reclaimed += SizeRw;
    }
    this.events.publishPrune(reclaimed);
    return { ContainersDeleted: deleted, SpaceReclaimed: reclaimed };
  }
}

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A time, a Unix time, or a Go duration back from now, in milliseconds since the epoch. */
function untilMillis(terms: FilterTerms): number {
  const values = terms.get('until') ?? [];
  const [value] = values;
  if (value === undefined) return Infinity;
  if (values.length > 1) throw invalidArgument('more than one until filter specified');
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1_000;
  if (/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(value)) {
    const ago = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
      (sum, [, amount, unit]) => sum + Number(amount) * (UNITS[unit ?? ''] ?? 0),
      0,
    );
    return Date.now() - ago;
  }
  const time = Date.parse(value);
  if (Number.isNaN(time)) throw invalidArgument(`invalid filter 'until=${value}'`);
  return time;
}
