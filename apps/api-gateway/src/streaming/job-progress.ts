import { messageOf } from '@gantry/shared/errors';
import type { Response } from '../routing/http-messages';
import { writeWithBackPressure } from './back-pressure';

/**
 * Sends the progress of a job as JSON lines. A job that fails before its first line is an ordinary error (it is thrown);
 * later the error is the last line, as the API has it.
 */
export async function sendJobProgress(
  response: Response,
  lines: AsyncGenerator<unknown, unknown>,
): Promise<void> {
  const first = await lines.next();
  await sendLines(response, first.done ? lines : startingWith(first.value, lines));
}

/**
 * The same, but every error is a line: a load has answered 200 before it looks into the archive (API: ImageLoad).
 * `toTheEnd`: the lines are read on when the client has gone, so its job goes on.
 */
export async function sendLines(
  response: Response,
  lines: AsyncGenerator<unknown, unknown>,
  { toTheEnd = false } = {},
): Promise<void> {
  let heard = true;
  const send = (line: unknown) => writeWithBackPressure(response, `${JSON.stringify(line)}\r\n`);
  response.setHeader('Content-Type', 'application/json');
  try {
    for await (const line of lines) {
      if (heard) heard = await send(line);
      if (!heard && !toTheEnd) return;
    }
  } catch (error) {
    const message = messageOf(error);
    await send({ errorDetail: { message }, error: message });
  }
  response.end();
}

async function* startingWith(
  first: unknown,
  rest: AsyncGenerator<unknown, unknown>,
): AsyncGenerator<unknown> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}
