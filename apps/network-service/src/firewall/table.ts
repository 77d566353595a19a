/** An nftables table as data. All texts are nft's own, as nft itself lists them. */
export interface FirewallTable {
  chains: Map<string, Chain>;
  lookups: Map<string, Lookup>;
}

export interface Chain {
  /** Where packets come in; absent for a chain that others jump to. Packets that no rule decides on pass. */
  hook?: Hook;
  rules: string[];
}

export interface Hook {
  type: 'filter' | 'nat';
  hook: 'prerouting' | 'forward' | 'output' | 'postrouting';
  priority: number;
}

/** A set or a map. */
export interface Lookup {
  /** Of the key: `inet_proto . inet_service`. */
  type: string;
  /** Of what a key leads to; absent for a set. */
  target?: string;
  /** Keys are subnets. */
  interval?: boolean;
  /** Key to target; of a set to nothing. */
  elements: Map<string, string>;
}

/** What one network or one set of ports adds to the table. */
export interface Part {
  chains: Map<string, Chain>;
  elements: Element[];
}

export interface Element {
  lookup: string;
  key: string;
  target: string;
}

export function addPart(table: FirewallTable, part: Part): void {
  for (const [name, chain] of part.chains) table.chains.set(name, chain);
  for (const { lookup, key, target } of part.elements) table.lookups.get(lookup)?.elements.set(key, target);
}

export function removePart(table: FirewallTable, part: Part): void {
  for (const name of part.chains.keys()) table.chains.delete(name);
  for (const { lookup, key } of part.elements) table.lookups.get(lookup)?.elements.delete(key);
}
