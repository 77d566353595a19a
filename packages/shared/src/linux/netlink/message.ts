/** The bytes of netlink(7): a message is a header and a body, the body a fixed structure and attributes. */

export const NLMSG_HEADER = 16;

/** nlmsghdr.nlmsg_flags */
export const NLM_F = {
  REQUEST: 1,
  ACK: 4,
  DUMP_INTR: 0x10,
  CAPPED: 0x100,
  ACK_TLVS: 0x200,
  ROOT: 0x100,
  MATCH: 0x200,
  EXCL: 0x200,
  CREATE: 0x400,
} as const;

const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

const padded = (length: number): number => (length + 3) & ~3;

export function message(type: number, flags: number, sequence: number, body: Buffer): Buffer {
  const whole = Buffer.alloc(NLMSG_HEADER + padded(body.length));
  whole.writeUInt32LE(NLMSG_HEADER + body.length, 0);
  whole.writeUInt16LE(type, 4);
  whole.writeUInt16LE(flags, 6);
  whole.writeUInt32LE(sequence, 8);
  body.copy(whole, NLMSG_HEADER);
  return whole;
}

export function attribute(type: number, value: Buffer): Buffer {
  const whole = Buffer.alloc(padded(4 + value.length));
  whole.writeUInt16LE(4 + value.length, 0);
  whole.writeUInt16LE(type, 2);
  value.copy(whole, 4);
  return whole;
}

export function nested(type: number, ...members: Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(members));
}

export function u8(type: number, value: number): Buffer {
  return attribute(type, Buffer.from([value]));
}

export function u16(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return attribute(type, bytes);
}

export function u32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return attribute(type, bytes);
}

export function text(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`));
}

/** Attributes by type; of a type that occurs twice the last one counts. */
export type Attributes = Map<number, Buffer>;

export function readAttributes(bytes: Buffer): Attributes {
  const found: Attributes = new Map();
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = bytes.readUInt16LE(at);
    if (length < 4) break;
    found.set(bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += padded(length);
  }
  return found;
}

export function readText(value: Buffer | undefined): string | undefined {
  if (!value) return undefined;
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}

export interface ReceivedMessage {
  type: number;
  flags: number;
  sequence: number;
  body: Buffer;
}

export function readMessages(datagram: Buffer): ReceivedMessage[] {
  const found: ReceivedMessage[] = [];
  for (let at = 0; at + NLMSG_HEADER <= datagram.length;) {
    const length = datagram.readUInt32LE(at);
    if (length < NLMSG_HEADER) break;
    found.push({
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      body: datagram.subarray(at + NLMSG_HEADER, at + length),
    });
    at += padded(length);
  }
  return found;
}
