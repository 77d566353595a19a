import { StdStream } from '@gantry/proto/common';
import { framedByLine } from './stream-frames';

const frame = (stream: number, text: string): string =>
  Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]).toString('latin1');

const logged = (text: string, tty = false): string =>
  framedByLine({ stream: StdStream.STD_STREAM_STDERR, data: Buffer.from(text) }, tty).toString('latin1');

it('frames what was logged by line', () => {
  expect(logged('hello\nworld\n')).toBe(frame(2, 'hello\n') + frame(2, 'world\n'));
  expect(logged('\n\nno end')).toBe(frame(2, '\n') + frame(2, '\n') + frame(2, 'no end'));
  expect(logged('')).toBe('');
});

it('leaves what a terminal showed as it is', () => {
  expect(logged('hello\nworld\n', true)).toBe('hello\nworld\n');
});
