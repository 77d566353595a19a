import { expandWord, expandWords } from './variables';

const variables = new Map([
  ['A', 'value'],
  ['EMPTY', ''],
  ['PATH', '/usr/local/bin:/bin'],
  ['TWO', 'x y'],
]);
const expand = (word: string) => expandWord(word, { variables, escape: '\\' });

test.each([
  ['$A', 'value'],
  ['${A}b', 'valueb'],
  ['$NONE', ''],
  ['a$', 'a$'],
  ['$A$A', 'valuevalue'],
  ['\\$A', '$A'],
  ["'$A'", '$A'],
  ['"$A\\"\\n"', 'value"\\n'],
  ['"\\$A \\\\"', '$A \\'],
  ["a\\'b", "a'b"],
  ['x\\', 'x'],
  ['$1a', 'a'],
  ['${NONE:-d}', 'd'],
  ['${EMPTY:-d}', 'd'],
  ['${EMPTY-d}', ''],
  ['${NONE-d}', 'd'],
  ['${A:-d}', 'value'],
  ['${NONE:-$A}', 'value'],
  ['${NONE:-${EMPTY:-z}}', 'z'],
  ['${A:+d}', 'd'],
  ['${EMPTY:+d}', ''],
  ['${EMPTY+d}', 'd'],
  ['${A:?no}', 'value'],
  ['${PATH#*/}', 'usr/local/bin:/bin'],
  ['${PATH##*/}', 'bin'],
  ['${PATH%/*}', '/usr/local/bin:'],
  ['${PATH%%/*}', ''],
  ['${PATH%%:*}', '/usr/local/bin'],
  ['${PATH/bin/x}', '/usr/local/x:/bin'],
  ['${PATH//bin/x}', '/usr/local/x:/x'],
  ['${PATH//\\//-}', '-usr-local-bin:-bin'],
  ['${A/v?l/$A}', 'valueue'],
  ['${A#\\?}', 'value'],
])('%s is %j', (word, expected) => {
  expect(expand(word)).toBe(expected);
});

test.each([
  ['${A', "syntax error: missing '}'"],
  ['${}', 'syntax error: bad substitution'],
  ['${A:x}', 'unsupported modifier (:x) in substitution'],
  ['${A:-b', "syntax error: missing '}'"],
  ['${NONE:?no way}', 'NONE: no way'],
  ['${NONE?}', 'NONE: is not allowed to be unset'],
  ['${EMPTY:?}', 'EMPTY: is not allowed to be empty'],
  ['"a', 'unexpected end of statement while looking for matching double-quote'],
  ["'a", 'unexpected end of statement while looking for matching single-quote'],
  ['${A/b}', "syntax error: missing '/' in ${}"],
  ['${A#\\x}', "invalid pattern (\\x) in substitution: invalid escape '\\x'"],
])('%s is refused', (word, message) => {
  expect(() => expand(word)).toThrow(`failed to process ${JSON.stringify(word)}: ${message}`);
});

test.each<[string, string[]]>([
  ['a $TWO b', ['a', 'x', 'y', 'b']],
  ['"$TWO" c', ['x y', 'c']],
  ['$NONE', []],
  ["a'b c'd", ['ab cd']],
])('words of %s', (text, expected) => {
  expect(expandWords(text, { variables, escape: '\\' })).toEqual(expected);
});

test('another escape', () => {
  expect(expandWord('C:\\a`$A', { variables, escape: '`' })).toBe('C:\\a$A');
});
