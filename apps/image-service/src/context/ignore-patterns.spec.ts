import { IgnorePatterns } from './ignore-patterns';

test.each<[string, string[], string[]]>([
  ['*.log', ['a.log'], ['sub/a.log', 'a.txt']],
  ['**/*.log', ['a.log', 'sub/b/a.log'], ['a.logs']],
  ['dir', ['dir', 'dir/a', 'dir/b/c'], ['other/dir', 'dirs']],
  ['/dir/', ['dir/a'], []],
  ['dir/**', ['dir/a', 'dir/b/c'], ['dirs/a']],
  ['**', ['a', 'a/b'], []],
  ['*', ['a', 'a/b'], []],
  ['a/**/b', ['a/b', 'a/x/y/b'], ['a/c']],
  ['?.[ch]', ['a.c', 'b.h'], ['ab.c', 'a.o']],
  ['[^a]x', ['bx'], ['ax']],
  ['a\\*b', ['a*b'], ['axb']],
  ['./x/../y', ['y'], ['x']],
  ['# comment\n\n a ', ['a'], ['# comment']],
  ['*.md\n!README.md', ['a.md'], ['README.md']],
  ['*.md\n!README*.md\nREADME-secret.md', ['README-secret.md'], ['README-x.md']],
  ['docs\n!docs/keep', ['docs/a'], ['docs/keep', 'docs/keep/b']],
  ['!a', [], ['a']],
  ['a.b', ['a.b'], ['axb']],
  ['a+(b)', ['a+(b)'], ['aab']],
])('%j', (text, ignored, kept) => {
  const patterns = IgnorePatterns.ofFile(text);
  expect(ignored.filter((path) => !patterns.matches(path))).toEqual([]);
  expect(kept.filter((path) => patterns.matches(path))).toEqual([]);
});

test.each([
  ['!', 'illegal exclusion pattern: "!"'],
  ['[a', 'syntax error in pattern'],
])('refuses %j', (text, message) => {
  expect(() => IgnorePatterns.ofFile(text)).toThrow(message);
});
