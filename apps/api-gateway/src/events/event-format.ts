import type { EngineEvent } from '@gantry/shared/events';

/** How events are put on the wire: what stands before and after each, and the name of it. */
export interface EventFraming {
  contentType: string;
  prefix: string;
}

const MIGHT_BE_ASKED_FOR = ['application/jsonl', 'application/x-ndjson', 'application/json-seq'];

/** Who asks for none of them gets JSON lines, which were called JSON before 1.52. */
export function negotiateFraming(accept: string | undefined, minor: number): EventFraming {
  const accepted = (accept ?? '').split(',').map((type) => type.split(';')[0]?.trim() ?? '');
  const asked = accepted.find((type) => MIGHT_BE_ASKED_FOR.includes(type));
  const contentType = asked ?? (minor < 52 ? 'application/json' : 'application/jsonl');
  return { contentType, prefix: contentType === 'application/json-seq' ? '\x1e' : '' }; // RFC 7464
}

/** The fields `status`, `id` and `from` are gone since 1.52 (version history, 1.52); empty ones were never there. */
export function versionedEvent(event: EngineEvent, minor: number): EngineEvent {
  if (minor >= 52 || (event.Type !== 'container' && event.Type !== 'image')) return event;
  const { ID, Attributes } = event.Actor;
  const from = event.Type === 'container' ? Attributes['image'] : '';
  return { status: event.Action, ...(ID && { id: ID }), ...(from && { from }), ...event } as EngineEvent;
}
