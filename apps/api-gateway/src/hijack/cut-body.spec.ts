import { cutChunkedBody, cutSizedBody } from './cut-body';

const text = (parts: ReturnType<ReturnType<typeof cutSizedBody>>) =>
  parts && { body: parts.body.toString(), rest: parts.rest.toString() };

describe('the body of an upgrade request', () => {
  it('is as long as its header says', () => {
    const cut = cutSizedBody(2);
    expect(text(cut(Buffer.from('a')))).toBeUndefined();
    expect(text(cut(Buffer.from('abc')))).toEqual({ body: 'ab', rest: 'c' });
  });

  it('comes in chunks, cut anywhere', () => {
    const cut = cutChunkedBody(100);
    const whole = '3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nDigest: z\r\n\r\n';
    for (let length = 0; length < whole.length; length++)
      expect(cut(Buffer.from(whole.slice(0, length)))).toBeUndefined();
    expect(text(cut(Buffer.from(`${whole}stdin`)))).toEqual({ body: 'abc0123456789', rest: 'stdin' });
    expect(text(cut(Buffer.from('0\r\n\r\n')))).toEqual({ body: '', rest: '' });
  });

  it.each([
    ['nonsense', 'hello\r\n', 'malformed chunked encoding'],
    ['a chunk that is too long', 'ff\r\n', 'request body too large'],
    ['a line without end', 'x'.repeat(101), 'request body too large'],
  ])('is refused for %s', (_, bytes, message) => {
    expect(() => cutChunkedBody(100)(Buffer.from(bytes))).toThrow(message);
  });
});
