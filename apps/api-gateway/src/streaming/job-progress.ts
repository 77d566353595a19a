import type { Response } from 'express';
import { messageOf } from '@gantry/shared/errors';
import { writeWithBackPressure } from './back-pressure';

/**
 * Sends the progress of a job as JSON lines. A job that fails before its first line is an ordinary error (it is thrown);
 * later the error is the last line, as the API has it.
 */
export async function sendJobProgress(
  response: Response,
  lines: AsyncGenerator<unknown, unknown>,
): Promise<void> {
  const send = (line: unknown) => writeWithBackPressure(response, `${JSON.stringify(line)}\r\n`);
  const first = await lines.next();
  response.setHeader('Content-Type', 'application/json');
  if (first.done) {
    response.end();
    return;
  }
  try {
    await send(first.value);
    for await (const line of lines) if (!(await send(line))) return;
  } catch (error) {
    const message = messageOf(error);
    await send({ errorDetail: { message }, error: message });
  }
  response.end();
}
