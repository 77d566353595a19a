/**
 * Takes the body of a request off the front of the bytes that came after its header.
 * @returns nothing while the body is not whole
 * @throws where it never will be
 */
export type CutBody = (received: Buffer) => { body: Buffer; rest: Buffer } | undefined;

/** A body of so many bytes. */
export const cutSizedBody =
  (length: number): CutBody =>
  (received) =>
    received.length < length
      ? undefined
      : { body: received.subarray(0, length), rest: received.subarray(length) };

const LINE_END = '\r\n';

/** A body of RFC 9112's chunks, of at most so many bytes with what frames them. Extensions and trailers are dropped. */
export const cutChunkedBody =
  (most: number): CutBody =>
  (received) => {
    const chunks: Buffer[] = [];
    let at = 0;
    for (;;) {
      const end = received.indexOf(LINE_END, at);
      if (end < 0) break;
      const line = received.toString('latin1', at, end);
      const digits = /^([0-9a-f]{1,8})[\t ]*(;|$)/i.exec(line)?.[1];
      if (digits === undefined) throw new Error('malformed chunked encoding');
      const size = parseInt(digits, 16);
      at = end + LINE_END.length;
      if (size === 0) {
        const rest = afterTrailers(received, at);
        return rest < 0 ? undefined : { body: Buffer.concat(chunks), rest: received.subarray(rest) };
      }
      if (at + size > most) throw new Error('request body too large');
      if (received.length < at + size + LINE_END.length) break;
      chunks.push(received.subarray(at, at + size));
      at += size + LINE_END.length;
    }
    if (received.length > most) throw new Error('request body too large');
    return undefined;
  };

/** Where the empty line after the trailers ends, or -1. */
function afterTrailers(received: Buffer, from: number): number {
  for (let at = from; ;) {
    const end = received.indexOf(LINE_END, at);
    if (end < 0) return -1;
    if (end === at) return end + LINE_END.length;
    at = end + LINE_END.length;
  }
}
