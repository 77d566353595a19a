import type { Output, StdStream } from '@gantry/proto/common';

const HEADER_SIZE = 8;
const NEWLINE = 0x0a;

/** First version whose Content-Type tells multiplexed from raw streams (API: version history, 1.42). */
const MULTIPLEXED_TYPE_SINCE = 42;

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

/** What broke the stream off, in words: a client of a multiplexed stream fails with them (moby's stdcopy, Systemerr). */
export const SYSTEM_ERROR = 3 as StdStream;

export function streamContentType(tty: boolean, apiMinor: number): string {
  return !tty && apiMinor >= MULTIPLEXED_TYPE_SINCE ? MULTIPLEXED_STREAM : RAW_STREAM;
}

/** API: ContainerAttach, "Stream format": stream number, three zero bytes, length as big-endian uint32. */
export function frameHeader(output: Output): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header[0] = output.stream;
  header.writeUInt32BE(output.data.length, 4);
  return header;
}

/** What goes to the client of what was logged: a frame a line, which clients count on (API: ContainerLogs). */
export function framedByLine({ stream, data }: Output, tty: boolean): Buffer {
  if (tty) return data;
  let frames = data.length > 0 && data[data.length - 1] !== NEWLINE ? 1 : 0;
  for (let at = data.indexOf(NEWLINE); at >= 0; at = data.indexOf(NEWLINE, at + 1)) frames += 1;
  const framed = Buffer.allocUnsafe(data.length + frames * HEADER_SIZE);
  for (let from = 0, to = 0; from < data.length;) {
    const newline = data.indexOf(NEWLINE, from);
    const end = newline < 0 ? data.length : newline + 1;
    framed.writeUInt32BE(stream * 0x1000000, to);
    framed.writeUInt32BE(end - from, to + 4);
    data.copy(framed, to + HEADER_SIZE, from, end);
    to += HEADER_SIZE + end - from;
    from = end;
  }
  return framed;
}
