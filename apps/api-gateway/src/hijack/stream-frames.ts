import type { Output } from '@gantry/proto/common';

/** First version whose Content-Type tells multiplexed from raw streams (API: version history, 1.42). */
const MULTIPLEXED_TYPE_SINCE = 42;

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

export function streamContentType(tty: boolean, apiMinor: number): string {
  return !tty && apiMinor >= MULTIPLEXED_TYPE_SINCE ? MULTIPLEXED_STREAM : RAW_STREAM;
}

/** API: ContainerAttach, "Stream format": stream number, three zero bytes, length as big-endian uint32. */
export function frameHeader(output: Output): Buffer {
  const header = Buffer.alloc(8);
  header[0] = output.stream;
  header.writeUInt32BE(output.data.length, 4);
  return header;
}

/** What goes to the client for one piece of output. */
export function framed(output: Output, tty: boolean): Buffer {
  return tty ? output.data : Buffer.concat([frameHeader(output), output.data]);
}
