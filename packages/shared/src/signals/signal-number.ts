import { constants } from 'node:os';
import { invalidArgument } from '../errors';

const REALTIME = { RTMIN: 34, RTMAX: 64 };

/** The number of `TERM`, `SIGTERM`, `15` or `RTMIN+3`. @throws InvalidArgument in Docker's words. */
export function signalNumber(given: string): number {
  if (/^[0-9]+$/.test(given)) {
    const number = Number(given);
    if (number >= 1 && number <= REALTIME.RTMAX) return number;
    throw invalidArgument(`invalid signal: ${given}`);
  }
  const name = given.toUpperCase().replace(/^SIG/, '');
  const known = (constants.signals as Record<string, number>)[`SIG${name}`];
  if (known !== undefined) return known;
  const realtime = /^(RTMIN|RTMAX)([+-][0-9]+)?$/.exec(name);
  if (realtime) {
    const number = REALTIME[realtime[1] as keyof typeof REALTIME] + Number(realtime[2] ?? 0);
    if (number >= REALTIME.RTMIN && number <= REALTIME.RTMAX) return number;
  }
  throw invalidArgument(`invalid signal: ${given}`);
}

export const SIGKILL = 9;
