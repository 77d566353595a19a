import { internal } from '@gantry/shared/errors';

/**
 * The first message of a stream whose first message says that the service took the request: only then may an HTTP header
 * go out, for an error that comes instead is an ordinary answer. @throws EngineError of the service.
 */
export async function firstMessage<T>(stream: AsyncGenerator<T, unknown>): Promise<T> {
  const first = await stream.next();
  if (first.done) throw internal('the service ended the stream before it began');
  return first.value;
}
