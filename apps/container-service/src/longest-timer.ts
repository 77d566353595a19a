/** Timers of Node hold so many milliseconds, 24 days, and go off at once for more. What a user sets may be longer. */
export const LONGEST_TIMER_MS = 0x7fffffff;
