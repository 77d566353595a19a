import type { Response } from '../routing/http-messages';
import { sendLines } from './job-progress';

/** A client that goes away after its first line. */
function leavingClient() {
  const sent: string[] = [];
  const response = {
    destroyed: false,
    setHeader: () => response,
    write: (text: string) => {
      sent.push(text);
      response.destroyed = true;
      return true;
    },
    end: () => response,
  };
  return { sent, response: response as unknown as Response };
}

it.each([
  [true, 3],
  [false, 1],
])('a job whose client has gone is read to its end (%s): %i lines', async (toTheEnd, expected) => {
  let read = 0;
  async function* lines() {
    for (const stream of ['a', 'b', 'c']) {
      read++;
      yield { stream };
    }
  }
  const { sent, response } = leavingClient();
  await sendLines(response, lines(), { toTheEnd });
  expect(read).toBe(expected);
  expect(sent).toHaveLength(1);
});
