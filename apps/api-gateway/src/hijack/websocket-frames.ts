/** RFC 6455, 5.2: what a frame is. */
export enum Opcode {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
}

/** RFC 6455, 7.4.1. */
export const CLOSED = { normally: 1000, protocolError: 1002 };

/** A frame of a server: whole and not masked. */
export function encodeFrame(opcode: Opcode, payload: Buffer): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 0x10000 ? 4 : 10);
  header[0] = 0x80 | opcode;
  header[1] = length < 126 ? length : header.length === 4 ? 126 : 127;
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

export function closeFrame(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return encodeFrame(Opcode.close, payload);
}

/** A part of a frame's payload as it came; of a control frame always the whole. */
export interface FramePart {
  opcode: Opcode;
  payload: Buffer;
}

const MOST_OF_CONTROL = 125;
const isControl = (opcode: number): boolean => opcode >= Opcode.close;
const isKnown = (opcode: number): boolean =>
  opcode <= Opcode.binary || (isControl(opcode) && opcode <= Opcode.pong);

/** Takes a client's frames apart, however its bytes are cut. Holds no more than a header or a control frame. */
export class FrameReader {
  private pending: Buffer = Buffer.alloc(0);
  private opcode: Opcode = Opcode.binary;
  private mask: Buffer = Buffer.alloc(4);
  private remaining = 0;
  private taken = 0;

  /** @throws Error for what RFC 6455 has the connection closed with 1002 */
  *push(data: Buffer): Generator<FramePart> {
    let rest = this.pending.length > 0 ? Buffer.concat([this.pending, data]) : data;
    for (;;) {
      if (this.remaining === 0) {
        const size = this.readHeader(rest);
        if (size === 0) break;
        rest = rest.subarray(size);
        if (this.remaining === 0 && isControl(this.opcode))
          yield { opcode: this.opcode, payload: Buffer.alloc(0) };
        continue;
      }
      if (rest.length === 0 || (isControl(this.opcode) && rest.length < this.remaining)) break;
      const payload = this.unmask(rest.subarray(0, this.remaining));
      rest = rest.subarray(payload.length);
      this.remaining -= payload.length;
      yield { opcode: this.opcode, payload };
    }
    this.pending = Buffer.from(rest);
  }

  /** Its size; 0: it is not all there. */
  private readHeader(bytes: Buffer): number {
    if (bytes.length < 2) return 0;
    const [first = 0, second = 0] = bytes;
    const opcode = first & 0x0f;
    const short = second & 0x7f;
    if ((first & 0x70) !== 0 || !isKnown(opcode)) throw new Error('unknown frame');
    if ((second & 0x80) === 0) throw new Error('a frame that is not masked');
    if (isControl(opcode) && ((first & 0x80) === 0 || short > MOST_OF_CONTROL))
      throw new Error('bad control frame');
    const lengthSize = short < 126 ? 0 : short === 126 ? 2 : 8;
    const size = 2 + lengthSize + 4;
    if (bytes.length < size) return 0;
    const length =
      lengthSize === 0 ? short : Number(bytes.readUIntBE(lengthSize === 8 ? 4 : 2, lengthSize === 8 ? 6 : 2));
    if (lengthSize === 8 && bytes.readUInt16BE(2) !== 0) throw new Error('frame too long');
    this.opcode = opcode;
    this.mask = Buffer.from(bytes.subarray(size - 4, size));
    this.remaining = length;
    this.taken = 0;
    return size;
  }

  private unmask(masked: Buffer): Buffer {
    const plain = Buffer.allocUnsafe(masked.length);
    for (let index = 0; index < masked.length; index++) {
      plain[index] = (masked[index] as number) ^ (this.mask[(this.taken + index) & 3] as number);
    }
    this.taken += masked.length;
    return plain;
  }
}
