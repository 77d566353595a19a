import { messageOf } from '@gantry/shared/errors';
import type { Response } from '../routing/http-messages';
import { writeWithBackPressure } from './back-pressure';

/**
 * Sends documents as JSON Lines (API 1.56, prune with `stream`). An error before the first is an ordinary one (it is thrown);
 * later it is the last line.
 */
export async function sendJsonLines(
  response: Response,
  documents: AsyncGenerator<{ json: Buffer }, unknown>,
): Promise<void> {
  const send = (line: Buffer | string) => writeWithBackPressure(response, `${line.toString()}\n`);
  const first = await documents.next();
  response.setHeader('Content-Type', 'application/jsonl');
  try {
    if (!first.done) await send(first.value.json);
    for await (const { json } of documents) if (!(await send(json))) return;
  } catch (error) {
    await send(JSON.stringify({ errorDetail: { message: messageOf(error) } }));
  }
  response.end();
}
