import { SLOWNESS } from './slowness';

// Longer than `eventually` tries, so that a test that fails says why.
jest.setTimeout(30_000 * SLOWNESS);
