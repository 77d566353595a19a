import type { Hook, Lookup } from './table';

/** A table as the kernel has it. */
export interface PresentTable {
  /** `marks`: the comment of each rule. */
  chains: Map<string, { hook?: Hook; marks: string[] }>;
  lookups: Map<string, Lookup>;
}

/** The part of libnftables-json(5) that our table uses. */
interface Listing {
  nftables: {
    chain?: { name: string; type?: Hook['type']; hook?: Hook['hook']; prio?: number };
    rule?: { chain: string; comment?: string };
    set?: ListedLookup;
    map?: ListedLookup;
  }[];
}

interface ListedLookup {
  name: string;
  type: string | string[];
  map?: string | string[];
  flags?: string[];
  elem?: unknown[];
}

/** @param listing the JSON of `list table` */
export function presentTable(listing: unknown): PresentTable {
  const present: PresentTable = { chains: new Map(), lookups: new Map() };
  for (const { chain, rule, set, map } of (listing as Listing).nftables) {
    if (chain) present.chains.set(chain.name, { hook: hookOf(chain), marks: [] });
    // libnftables lists all chains before the first rule.
    if (rule) present.chains.get(rule.chain)?.marks.push(rule.comment ?? '');
    const lookup = set ?? map;
    if (lookup) present.lookups.set(lookup.name, lookupOf(lookup));
  }
  return present;
}

function hookOf({ type, hook, prio }: NonNullable<Listing['nftables'][number]['chain']>): Hook | undefined {
  return type && hook && { type, hook, priority: prio ?? 0 };
}

function lookupOf({ type, map, flags, elem }: ListedLookup): Lookup {
  const elements = new Map(
    (elem ?? []).map((element): [string, string] =>
      map !== undefined && Array.isArray(element)
        ? [textOf(element[0]), textOf(element[1])]
        : [textOf(element), ''],
    ),
  );
  return {
    type: typeText(type),
    target: map === undefined ? undefined : typeText(map),
    interval: flags?.includes('interval') ?? false,
    elements,
  };
}

const typeText = (type: string | string[]): string => (Array.isArray(type) ? type.join(' . ') : type);

/** `{"concat": ["tcp", 80]}` as `tcp . 80`. */
function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { concat, prefix, elem, jump } = value as {
    concat?: unknown[];
    prefix?: { addr: string; len: number };
    elem?: { val: unknown };
    jump?: { target: string };
  };
  if (concat) return concat.map(textOf).join(' . ');
  if (prefix) return `${prefix.addr}/${prefix.len}`;
  if (elem) return textOf(elem.val);
  if (jump) return `jump ${jump.target}`;
  return Object.keys(value)[0] ?? '';
}
