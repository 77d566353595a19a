/** Seconds and nanoseconds, as Fluentd's EventTime (an extension of MessagePack, type 0). */
export class EventTime {
  constructor(
    readonly seconds: number,
    readonly nanoseconds: number,
  ) {}
}

export type Packable = string | number | Buffer | EventTime | Packable[] | { [key: string]: Packable };

/** MessagePack, as much of it as Fluentd's forward protocol needs: text, bytes, unsigned integers, lists and maps. */
export function pack(value: Packable): Buffer {
  if (typeof value === 'string') return withLength(Buffer.from(value));
  if (typeof value === 'number') return unsigned(value);
  if (Buffer.isBuffer(value)) return withLength(value);
  if (value instanceof EventTime) {
    const bytes = Buffer.alloc(10);
    bytes.writeUInt16BE(0xd700);
    bytes.writeUInt32BE(value.seconds, 2);
    bytes.writeUInt32BE(value.nanoseconds, 6);
    return bytes;
  }
  if (Array.isArray(value)) return Buffer.concat([count(value.length, 0x90, 0xdc), ...value.map(pack)]);
  const entries = Object.entries(value);
  return Buffer.concat([
    count(entries.length, 0x80, 0xde),
    ...entries.flatMap(([key, each]) => [pack(key), pack(each)]),
  ]);
}

/** Bytes go as `str` too: a log line is text to Fluentd, whatever it is. */
function withLength(bytes: Buffer): Buffer {
  const { length } = bytes;
  if (length < 32) return Buffer.concat([Buffer.from([0xa0 | length]), bytes]);
  const head = Buffer.alloc(length < 0x10000 ? 3 : 5);
  head[0] = head.length === 3 ? 0xda : 0xdb;
  head.writeUIntBE(length, 1, head.length - 1);
  return Buffer.concat([head, bytes]);
}

function unsigned(value: number): Buffer {
  if (value < 0x80) return Buffer.from([value]);
  const bytes = Buffer.alloc(5);
  bytes[0] = 0xce;
  bytes.writeUInt32BE(value, 1);
  return bytes;
}

function count(length: number, small: number, large: number): Buffer {
  return length < 16 ? Buffer.from([small | length]) : Buffer.from([large, length >> 8, length & 255]);
}
