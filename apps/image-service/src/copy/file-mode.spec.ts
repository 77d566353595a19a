import { parseMode } from './file-mode';

test.each<[string, number, boolean, number]>([
  ['0755', 0o600, false, 0o755],
  ['4755', 0o600, false, 0o4755],
  ['u+x', 0o644, false, 0o744],
  ['+x', 0o644, false, 0o755],
  ['a-w', 0o666, false, 0o444],
  ['go=', 0o755, false, 0o700],
  ['u=rwX,go=rX', 0o600, false, 0o644],
  ['u=rwX,go=rX', 0o600, true, 0o755],
  ['g=u', 0o640, false, 0o660],
  ['u+s', 0o755, false, 0o4755],
  ['g+s', 0o755, true, 0o2755],
  ['+t', 0o777, true, 0o1777],
  ['u-s', 0o4755, false, 0o755],
  ['u+r-w', 0o200, false, 0o400],
])('%s of %o (directory: %s) is %o', (text, mode, isDirectory, expected) => {
  expect(parseMode(text)(mode, isDirectory).toString(8)).toBe(expected.toString(8));
});

test.each(['', '8', '77777', 'x', 'u+y', '+x,', 'u'])('refuses %j', (text) => {
  expect(() => parseMode(text)).toThrow('invalid chmod parameter');
});
