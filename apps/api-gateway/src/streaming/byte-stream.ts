import type { Response } from '../routing/http-messages';
import { writeWithBackPressure } from './back-pressure';

/**
 * Sends bytes that come as messages. An error in the middle breaks the connection, for the header is out: the client must
 * not take the half for the whole.
 */
export async function sendByteStream<T>(
  response: Response,
  first: Buffer,
  rest: AsyncIterable<T>,
  bytesOf: (message: T) => Buffer,
): Promise<void> {
  try {
    if (!(await writeWithBackPressure(response, first))) return;
    for await (const message of rest) {
      if (!(await writeWithBackPressure(response, bytesOf(message)))) return;
    }
    response.end();
  } catch {
    response.destroy();
  }
}
