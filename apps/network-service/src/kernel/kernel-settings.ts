import { hasCode, type Host } from '@gantry/shared/linux';

/** In the namespace the thread is in at the time. What the kernel was built without is left out. */
export function setSysctl(host: Pick<Host, 'setSysctl'>, path: string, value: string): void {
  try {
    host.setSysctl(path, value);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
