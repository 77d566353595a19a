import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { booleanFilter, checkFilterNames, type FilterTerms } from '@gantry/shared/filters';
import {
  REGISTRIES,
  type Registries,
  type RegistryCredentials,
  type SearchResult,
} from '../registry/registry';

const FILTERS = ['is-automated', 'is-official', 'stars'];
const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 25;

/** GET /images/search */
@Injectable()
export class SearchImages {
  constructor(@Inject(REGISTRIES) private readonly registries: Registries) {}

  /** `limit`: 0 where none is given. */
  async search(
    term: string,
    limit: number,
    filters: FilterTerms,
    credentials: RegistryCredentials | undefined,
  ): Promise<SearchResult[]> {
    checkFilterNames(filters, FILTERS);
    if (term === '') throw invalidArgument('Search term cannot be empty');
    if (limit > MAX_LIMIT) {
      throw invalidArgument(`limit ${limit} is outside the range of [1, ${MAX_LIMIT}]`);
    }
    const isOfficial = booleanFilter(filters, 'is-official');
    const isAutomated = booleanFilter(filters, 'is-automated');
    const stars = Math.max(0, ...(filters.get('stars') ?? []).map(starsOf));
    const found = await this.registries.search(term, { limit: limit || DEFAULT_LIMIT, credentials });
    return found.filter(
      (one) =>
        (isOfficial === undefined || one.is_official === isOfficial) &&
        (isAutomated === undefined || one.is_automated === isAutomated) &&
        one.star_count >= stars,
    );
  }
}

function starsOf(text: string): number {
  const stars = Number(text);
  if (!/^\d+$/.test(text)) throw invalidArgument(`invalid filter 'stars=${text}'`);
  return stars;
}
