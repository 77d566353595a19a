import { SLOWNESS } from './slowness';

// Longer than `eventually` tries, so that a test that fails says why; and many unit specs start what takes its time on a busy
// machine: PostgreSQL, containers.
jest.setTimeout(30_000 * SLOWNESS);
