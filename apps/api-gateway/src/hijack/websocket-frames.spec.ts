import { closeFrame, encodeFrame, FrameReader, Opcode } from './websocket-frames';

/** As a client sends it: masked. */
function clientFrame(opcode: number, text: string, final = true): Buffer {
  const payload = Buffer.from(text);
  const mask = Buffer.from([1, 2, 3, 4]);
  const header = encodeFrame(opcode as Opcode, payload).subarray(0, -payload.length || undefined);
  header[0] = (final ? 0x80 : 0) | opcode;
  header[1] = (header[1] ?? 0) | 0x80;
  return Buffer.concat([header, mask, payload.map((byte, index) => byte ^ (mask[index & 3] as number))]);
}

describe('WebSocket frames', () => {
  const read = (...pieces: Buffer[]) => {
    const reader = new FrameReader();
    return pieces
      .flatMap((piece) => [...reader.push(piece)])
      .map(({ opcode, payload }) => `${opcode}:${payload.toString()}`);
  };

  it('are read whatever their length and however they are cut', () => {
    for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
      const text = 'x'.repeat(length);
      const frame = Buffer.concat([clientFrame(Opcode.text, text), clientFrame(Opcode.ping, 'p')]);
      const joined = (parts: string[]) => parts.map((part) => part.slice(2)).join('');
      expect(joined(read(frame))).toBe(`${text}p`);
      if (length > 126) continue;
      expect(joined(read(...Array.from(frame, (byte) => Buffer.from([byte]))))).toBe(`${text}p`);
    }
  });

  it('of control come whole, between the pieces of a message', () => {
    const ping = clientFrame(Opcode.ping, 'alive');
    const message = [clientFrame(Opcode.text, 'a', false), ping, clientFrame(Opcode.continuation, 'b')];
    expect(read(...message)).toEqual(['1:a', '9:alive', '0:b']);
    expect(read(ping.subarray(0, 9), ping.subarray(9))).toEqual(['9:alive']);
    expect(read(clientFrame(Opcode.close, ''))).toEqual(['8:']);
  });

  it.each([
    ['not masked', encodeFrame(Opcode.text, Buffer.from('x'))],
    ['of an unknown kind', clientFrame(3, 'x')],
    ['of control and long', clientFrame(Opcode.ping, 'x'.repeat(126))],
    ['of control and in pieces', clientFrame(Opcode.ping, 'x', false)],
    ['longer than can be', Buffer.from([0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
  ])('%s are refused', (_what, frame) => expect(() => read(frame)).toThrow());

  it('are written as RFC 6455 has them', () => {
    expect(encodeFrame(Opcode.binary, Buffer.from('hi'))).toEqual(Buffer.from([0x82, 2, 0x68, 0x69]));
    expect(encodeFrame(Opcode.binary, Buffer.alloc(300)).subarray(0, 4)).toEqual(
      Buffer.from([0x82, 126, 1, 44]),
    );
    expect(encodeFrame(Opcode.binary, Buffer.alloc(70_000)).subarray(0, 10)).toEqual(
      Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]),
    );
    expect(closeFrame(1000)).toEqual(Buffer.from([0x88, 2, 3, 0xe8]));
  });
});
