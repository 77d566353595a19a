import { wallClock } from './wall-clock';

/** API: EventMessage. */
export interface EngineEvent {
  Type: 'container' | 'image' | 'network' | 'volume' | 'daemon' | 'builder' | 'plugin';
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: 'local';
  /** Seconds since the epoch. */
  time: number;
  /** Nanoseconds since the epoch, as decimal digits: beyond what a number holds exactly. */
  timeNano: string;
}

/** Nanoseconds since the epoch, never the same twice in a process. */
export const nowNanos = wallClock(
  () => Date.now(),
  () => performance.now(),
  performance.timeOrigin,
);

export function engineEvent(
  type: EngineEvent['Type'],
  action: string,
  id: string,
  attributes: Record<string, string> = {},
): EngineEvent {
  const nanos = nowNanos();
  return {
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: 'local',
    time: Number(nanos / 1_000_000_000n),
    timeNano: nanos.toString(),
  };
}

/** JSON as the API has it: timeNano as a number, all its digits kept. */
export function eventToJson(event: EngineEvent): string {
  return JSON.stringify(event).replace(/"timeNano":"(\d+)"/, '"timeNano":$1');
}
