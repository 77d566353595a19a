import { dirname } from 'node:path';
import { remainsOf } from './remains';

/** Stops and cleans the instance, and fails the run where anything of it is left on the host. */
export default async function globalTeardown(): Promise<void> {
  const instance = globalThis.engineUnderTest;
  if (!instance) return;
  await instance.clean();
  const left = remainsOf(instance.name, dirname(instance.dataRoot));
  if (left.length > 0) throw new Error(`left on the host:\n${left.join('\n')}`);
}
