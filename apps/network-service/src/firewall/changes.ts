import { createHash } from 'node:crypto';
import type { PresentTable } from './present-table';
import type { Chain, Element, FirewallTable, Hook, Lookup, Part } from './table';

/**
 * The nft commands, for one transaction, that make the table what it shall be: only what differs is touched, nothing
 * is flushed but a chain whose rules are other ones. Empty where all is right.
 * @param present undefined: there is no such table
 */
export function changesTo(
  table: string,
  present: PresentTable | undefined,
  desired: FirewallTable,
): string[] {
  const inet = `inet ${table}`;
  // Of another version of ours: hooks and types cannot be changed in place.
  if (present && isOtherwiseMade(present, desired)) {
    return [`delete table ${inet}`, ...changesTo(table, undefined, desired)];
  }
  const chains = present?.chains ?? new Map<string, never>();
  const lookups = present?.lookups ?? new Map<string, never>();
  const newLookups = [...desired.lookups].filter(([name]) => !lookups.has(name));
  const staleChains = [...desired.chains].filter(([name, { rules }]) => !hasRules(chains.get(name), rules));
  const lines = [
    // By the comment the table proves, when all else is gone, that the instance was here.
    ...(present ? [] : [`add table ${inet} { comment "gantry:${table}"; }`]),
    ...newLookups.filter(([, { interval }]) => !interval).map(([name, one]) => addLookup(inet, name, one)),
    ...[...desired.chains]
      .filter(([name]) => !chains.has(name))
      .map(([name, one]) => addChain(inet, name, one)),
    // With its elements at once: nft 1.0.6 cannot add any to an interval map that is new in the same transaction.
    ...newLookups.filter(([, { interval }]) => interval).map(([name, one]) => addLookup(inet, name, one)),
    ...staleChains.flatMap(([name, { rules }]) => [
      ...((chains.get(name)?.marks.length ?? 0) > 0 ? [`flush chain ${inet} ${name}`] : []),
      ...addRules(inet, name, rules),
    ]),
    ...[...desired.lookups].flatMap(([name, one]) => elementChanges(inet, name, one, lookups.get(name))),
    ...[...chains.keys()]
      .filter((name) => !desired.chains.has(name))
      .map((name) => `delete chain ${inet} ${name}`),
  ];
  return lines;
}

/** The commands that add a part to the table, or take it away. */
export function partCommands(
  table: string,
  command: 'add' | 'delete',
  part: Part,
  lookups: FirewallTable['lookups'],
): string[] {
  const inet = `inet ${table}`;
  const chains = [...part.chains];
  const elements = [...byLookup(part.elements)].map(([name, some]) => {
    const one = lookups.get(name);
    const texts = some.map(({ key, target }) => elementText(one, key, command === 'add' ? target : ''));
    return `${command} element ${inet} ${name} { ${texts.join(', ')} }`;
  });
  return command === 'add'
    ? [
        ...chains.map(([name, chain]) => addChain(inet, name, chain)),
        ...chains.flatMap(([name, { rules }]) => addRules(inet, name, rules)),
        ...elements,
      ]
    : [...elements, ...chains.map(([name]) => `delete chain ${inet} ${name}`)];
}

/** By this comment a rule is known again: nft does not list rules in the words they were made with. */
export function markOf(rule: string): string {
  return createHash('sha1').update(rule).digest('base64url').slice(0, 12);
}

function isOtherwiseMade(present: PresentTable, desired: FirewallTable): boolean {
  const hookText = (hook?: Hook) => hook && `${hook.type} ${hook.hook} ${hook.priority}`;
  for (const [name, { hook }] of desired.chains) {
    const there = present.chains.get(name);
    if (there && hookText(there.hook) !== hookText(hook)) return true;
  }
  for (const [name, there] of present.lookups) {
    const one = desired.lookups.get(name);
    if (!one || one.type !== there.type || one.target !== there.target) return true;
  }
  return false;
}

function hasRules(there: { marks: string[] } | undefined, rules: readonly string[]): boolean {
  if (there?.marks.length !== rules.length) return there === undefined && rules.length === 0;
  return rules.every((rule, position) => markOf(rule) === there.marks[position]);
}

function elementChanges(inet: string, name: string, desired: Lookup, there: Lookup | undefined): string[] {
  if (!there && desired.interval) return [];
  const present = there?.elements ?? new Map<string, string>();
  const stale = [...present].filter(([key, target]) => desired.elements.get(key) !== target);
  const missing = [...desired.elements].filter(([key, target]) => present.get(key) !== target);
  const change = (command: string, elements: string[]): string[] =>
    elements.length > 0 ? [`${command} element ${inet} ${name} { ${elements.join(', ')} }`] : [];
  return [
    ...change(
      'delete',
      stale.map(([key]) => elementText(desired, key, '')),
    ),
    ...change(
      'add',
      missing.map(([key, target]) => elementText(desired, key, target)),
    ),
  ];
}

function addLookup(inet: string, name: string, { type, target, interval, elements }: Lookup): string {
  const texts = [...elements].map(([key, leads]) => elementText({ type }, key, leads));
  const statements = [
    `type ${type}${target ? ` : ${target}` : ''};`,
    ...(interval ? ['flags interval;'] : []),
    ...(interval && texts.length > 0 ? [`elements = { ${texts.join(', ')} };`] : []),
  ];
  return `add ${target ? 'map' : 'set'} ${inet} ${name} { ${statements.join(' ')} }`;
}

function addChain(inet: string, name: string, { hook }: Chain): string {
  if (!hook) return `add chain ${inet} ${name}`;
  return `add chain ${inet} ${name} { type ${hook.type} hook ${hook.hook} priority ${hook.priority}; }`;
}

const addRules = (inet: string, chain: string, rules: readonly string[]): string[] =>
  rules.map((rule) => `add rule ${inet} ${chain} ${rule} comment "${markOf(rule)}"`);

function elementText(lookup: { type: string } | undefined, key: string, target: string): string {
  const written = lookup?.type === 'ifname' ? `"${key}"` : key;
  return target === '' ? written : `${written} : ${target}`;
}

function byLookup(elements: readonly Element[]): Map<string, Element[]> {
  const found = new Map<string, Element[]>();
  for (const element of elements) found.set(element.lookup, [...(found.get(element.lookup) ?? []), element]);
  return found;
}
