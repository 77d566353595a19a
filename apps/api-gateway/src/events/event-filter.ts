import type { EngineEvent } from '@gantry/shared/events';
import { type FilterTerms, matchesLabels } from '@gantry/shared/filters';

/** Actions that carry an argument after a colon: `exec_create: sh -c x`. Their bare name matches too. */
const ACTIONS_WITH_ARGUMENT = ['health_status', 'exec_create', 'exec_start'];

/** Whether an event passes the filters of GET /events. Follows moby's daemon/events/filter.go. */
export function eventPasses(event: EngineEvent, terms: FilterTerms): boolean {
  return (
    actionPasses(event.Action, terms) &&
    isOneOf(terms.get('type'), [event.Type]) &&
    isOneOf(terms.get('scope'), [event.scope]) &&
    ['daemon', 'container', 'plugin', 'volume', 'network', 'node', 'service', 'secret', 'config'].every(
      (object) => objectPasses(event, terms.get(object)),
    ) &&
    imagePasses(event, terms) &&
    matchesLabels(terms, event.Actor.Attributes)
  );
}

function actionPasses(action: string, terms: FilterTerms): boolean {
  const wanted = terms.get('event');
  if (wanted?.some((name) => ACTIONS_WITH_ARGUMENT.includes(name))) {
    return wanted.some((name) => action.startsWith(name));
  }
  return isOneOf(wanted, [action]);
}

/** By id, name, or the beginning of either. */
function objectPasses(event: EngineEvent, wanted: readonly string[] | undefined): boolean {
  if (!wanted || wanted.length === 0) return true;
  const { ID, Attributes } = event.Actor;
  return wanted.some((name) => ID.startsWith(name) || (Attributes['name'] ?? '').startsWith(name));
}

/** The image of an image event, or the one that a container was made of; with or without its tag. */
function imagePasses(event: EngineEvent, terms: FilterTerms): boolean {
  const { ID, Attributes } = event.Actor;
  const name = Attributes[event.Type === 'image' ? 'name' : 'image'] ?? '';
  return isOneOf(terms.get('image'), [ID, name, withoutTag(ID), withoutTag(name)]);
}

function isOneOf(wanted: readonly string[] | undefined, values: string[]): boolean {
  return !wanted || wanted.length === 0 || wanted.some((name) => values.includes(name));
}

function withoutTag(reference: string): string {
  const bare = reference.split('@')[0] ?? '';
  const colon = bare.lastIndexOf(':');
  return colon > bare.lastIndexOf('/') ? bare.slice(0, colon) : bare;
}
