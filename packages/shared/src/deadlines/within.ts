import { unavailable } from '../errors';

/**
 * What `work` comes to, or an error in time; the work itself goes on.
 * @param limitMs milliseconds
 * @throws Unavailable with the words of `late`
 */
export async function within<T>(limitMs: number, late: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(unavailable(late)), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
