import { jsonDepthError, jsonSyntaxError } from './json-syntax';

describe('jsonSyntaxError', () => {
  it.each([
    ['{"a":tru}', "invalid character '}' in literal true (expecting 'e')"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 2}', "invalid character '2' after object key:value pair"],
    ['[1 2]', "invalid character '2' after array element"],
    ['[1,]', "invalid character ']' looking for beginning of value"],
    ['{"a":"b\\q"}', "invalid character 'q' in string escape code"],
    ['{"a":"\\u00g"}', "invalid character 'g' in \\u hexadecimal character escape"],
    ['{"a":"\n"}', "invalid character '\\n' in string literal"],
    ['{"a":"\u0001"}', "invalid character '\\x01' in string literal"],
    ['{"a":-}', "invalid character '}' in numeric literal"],
    ['{"a":01}', "invalid character '1' after object key:value pair"],
    ['{"a":1.x}', "invalid character 'x' after decimal point in numeric literal"],
    ['{"a":1e}', "invalid character '}' in exponent of numeric literal"],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ["{'a':1}", "invalid character '\\'' looking for beginning of object key string"],
    ['{"a":nul', 'unexpected EOF'],
    ['{"a":"b', 'unexpected EOF'],
    ['{} {}', 'unexpected content after JSON'],
  ])('%j', (text, problem) => {
    expect(jsonSyntaxError(text)).toBe(problem);
  });

  it('does not fall over what is nested too deep', () => {
    expect(jsonSyntaxError('['.repeat(1_000_000))).toBe("invalid character '[' exceeded max depth");
  });

  it.each(['{}', ' { "a" : [ -1.5e+3, "\\u00e9\\n", true, null ] } '])('has nothing to say of %j', (text) => {
    expect(jsonSyntaxError(text)).toBeUndefined();
    expect(() => JSON.parse(text)).not.toThrow();
  });
});

it('takes what is deep, not what is deeper', () => {
  const nested = (depth: number, inside = '') => `${'['.repeat(depth)}${inside}${']'.repeat(depth)}`;
  expect(jsonDepthError(nested(1_000, JSON.stringify(`"${nested(9)}`)))).toBeUndefined();
  expect(jsonDepthError(nested(1_001))).toBe("invalid character '[' exceeded max depth");
});
