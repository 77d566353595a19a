import type { Readable } from 'node:stream';
import { invalidArgument, messageOf, unreachable } from '@gantry/shared/errors';

/** A small document. @throws InvalidArgument when it is larger than `limit` bytes, Unreachable when it breaks off */
export async function readBody(body: Readable, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limit) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw unreachable(`the registry's answer broke off: ${messageOf(error)}`, error);
  } finally {
    body.destroy();
  }
  if (length > limit) throw invalidArgument(`the registry's answer is larger than ${limit} bytes`);
  return Buffer.concat(chunks);
}
