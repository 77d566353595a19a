import type { Filters } from '@gantry/proto/common';

/** Before API 1.42 `POST /volumes/prune` took named volumes too: what `all=true` asks for now. */
export function normalizeVolumePrune(filters: Filters, minor: number): Filters {
  return minor < 42 ? { terms: { ...filters.terms, all: { values: ['true'] } } } : filters;
}
