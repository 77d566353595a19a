import type { EngineEvent } from '@gantry/shared/events';

/** How events are put on the wire: what stands before and after each, and the name of it. */
export interface EventFraming {
  contentType: string;
  prefix: string;
}

const NEWLINE_DELIMITED: EventFraming = { contentType: 'application/json', prefix: '' };

/** Content negotiation came with 1.52 and 1.53; whoever asks for nothing gets what it always got. */
export function negotiateFraming(accept: string | undefined, minor: number): EventFraming {
  if (minor < 52) return NEWLINE_DELIMITED;
  const accepted = (accept ?? '').split(',').map((type) => type.split(';')[0]?.trim() ?? '');
  for (const type of accepted) {
    if (type === 'application/json-seq') return { contentType: type, prefix: '\x1e' }; // RFC 7464
    if (type === 'application/x-ndjson' || type === 'application/jsonl')
      return { contentType: type, prefix: '' };
  }
  return NEWLINE_DELIMITED;
}

/** The fields `status`, `id` and `from` are gone since 1.52 (version history, 1.52); empty ones were never there. */
export function versionedEvent(event: EngineEvent, minor: number): EngineEvent {
  if (minor >= 52 || (event.Type !== 'container' && event.Type !== 'image')) return event;
  const { ID, Attributes } = event.Actor;
  const from = event.Type === 'container' ? Attributes['image'] : '';
  return { status: event.Action, ...(ID && { id: ID }), ...(from && { from }), ...event } as EngineEvent;
}
