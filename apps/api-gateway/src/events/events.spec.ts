import type { EngineEvent } from '@gantry/shared/events';
import { eventPasses } from './event-filter';
import { negotiateFraming, versionedEvent } from './event-format';
import { eventWindow } from './event-window';

const event = (type: EngineEvent['Type'], action: string, id: string, attributes = {}): EngineEvent => ({
  Type: type,
  Action: action,
  Actor: { ID: id, Attributes: attributes },
  scope: 'local',
  time: 1,
  timeNano: '1000000000',
});
const passes = (given: EngineEvent, filters: Record<string, string[]>) =>
  eventPasses(given, new Map(Object.entries(filters)));

describe('event filters', () => {
  const start = event('container', 'start', 'abcdef', { name: 'web', image: 'nginx:1', role: 'front' });

  it.each<[Record<string, string[]>, boolean]>([
    [{}, true],
    [{ type: ['container', 'image'] }, true],
    [{ type: ['image'] }, false],
    [{ event: ['start'] }, true],
    [{ event: ['star'] }, false],
    [{ container: ['abc'] }, true],
    [{ container: ['web'] }, true],
    [{ container: ['db'] }, false],
    [{ image: ['nginx'] }, true],
    [{ image: ['nginx:1'] }, true],
    [{ image: ['ngin'] }, false],
    [{ label: ['role'] }, true],
    [{ label: ['role=front', 'image'] }, true],
    [{ label: ['role=back'] }, false],
    [{ scope: ['local'] }, true],
    [{ scope: ['swarm'] }, false],
    [{ network: ['x'] }, false],
    [{ type: ['container'], event: ['stop'] }, false],
  ])('%j', (filters, expected) => {
    expect(passes(start, filters)).toBe(expected);
  });

  it('knows actions with an argument by their name', () => {
    const exec = event('container', 'exec_create: sh -c ls', 'abc');
    expect(passes(exec, { event: ['exec_create'] })).toBe(true);
    expect(passes(exec, { event: ['exec_start'] })).toBe(false);
  });

  it('takes the name of an image from an image event', () => {
    const tag = event('image', 'tag', 'sha256:1', { name: 'localhost:5000/a:2' });
    expect(passes(tag, { image: ['localhost:5000/a'] })).toBe(true);
  });
});

describe('the window of events', () => {
  const now = 1_700_000_000_000_000_000n;

  it('begins now where nothing is asked for', () => {
    expect(eventWindow('', '', now)).toEqual({ since: now, until: undefined, past: false });
  });

  it('reads seconds, nanoseconds and RFC 3339', () => {
    expect(eventWindow('1699999999.000000001', '', now).since).toBe(1_699_999_999_000_000_001n);
    expect(eventWindow('2023-11-14T22:13:19Z', '', now).since).toBe(1_699_999_999_000_000_000n);
  });

  it('is past when its end is', () => {
    expect(eventWindow('1', '1699999999', now)).toMatchObject({ past: true });
    expect(eventWindow('', '1800000000', now)).toMatchObject({ since: 0n, past: false });
  });

  it('refuses nonsense', () => {
    expect(() => eventWindow('abc', '', now)).toThrow('invalid syntax');
    expect(() => eventWindow('5', '4', now)).toThrow('`since` time (5) cannot be after `until` time (4)');
  });
});

describe('events on the wire', () => {
  it('has the old fields for old clients', () => {
    const start = event('container', 'start', 'abc', { image: 'i' });
    expect(versionedEvent(start, 51)).toMatchObject({ status: 'start', id: 'abc', from: 'i' });
    expect(versionedEvent(start, 52)).toBe(start);
    expect(Object.keys(versionedEvent(event('container', 'prune', ''), 51))).not.toContain('id');
    expect(Object.keys(versionedEvent(event('container', 'prune', ''), 51))).not.toContain('from');
    expect(versionedEvent(event('volume', 'create', 'v'), 51)).not.toHaveProperty('status');
  });

  it('negotiates the framing since 1.52', () => {
    expect(negotiateFraming('application/json-seq', 52)).toMatchObject({ prefix: '\x1e' });
    expect(negotiateFraming('application/jsonl, */*', 53).contentType).toBe('application/jsonl');
    expect(negotiateFraming('application/jsonl', 51).contentType).toBe('application/jsonl');
    expect(negotiateFraming('application/json', 56).contentType).toBe('application/jsonl');
    expect(negotiateFraming(undefined, 56).contentType).toBe('application/jsonl');
    expect(negotiateFraming('*/*', 51).contentType).toBe('application/json');
  });
});
