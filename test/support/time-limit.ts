import { SLOWNESS } from './slowness';

// Where a machine is slow, the limits that specs set are stretched too: this is where jest keeps a file's limit.
let limitMs: number;
Object.defineProperty(globalThis, Symbol.for('TEST_TIMEOUT_SYMBOL'), {
  configurable: true,
  get: () => limitMs,
  set: (ms: number) => (limitMs = ms * SLOWNESS),
});

// Longer than `eventually` tries, so that a test that fails says why; and many unit specs start what takes its time on a busy
// machine: PostgreSQL, containers.
jest.setTimeout(30_000);
