import { parseFilters, QueryParameters } from './query-parameters';

describe('query parameters', () => {
  it.each([
    ['1', true],
    ['true', true],
    ['True', true],
    ['yes', true],
    ['0', false],
    ['False', false],
    ['no', false],
    ['none', false],
    ['', false],
  ])('reads the flag %p as %p', (text, value) => {
    expect(new QueryParameters(`/x?a=${text}`).flag('a')).toBe(value);
  });

  it('uses the default of a flag only where it is absent', () => {
    expect(new QueryParameters('/x').flag('pause', true)).toBe(true);
    expect(new QueryParameters('/x?pause=0').flag('pause', true)).toBe(false);
  });

  it('refuses what is no integer', () => {
    expect(new QueryParameters('/x?t=-1').integer('t')).toBe(-1);
    expect(new QueryParameters('/x').integer('t')).toBeUndefined();
    expect(() => new QueryParameters('/x?limit=abc').integer('limit')).toThrow(
      'strconv.Atoi: parsing "abc": invalid syntax',
    );
  });

  it('refuses a terminal size that is none', () => {
    expect(new QueryParameters('/x?h=24&w=80').terminalSize()).toEqual({ rows: 24, columns: 80 });
    expect(() => new QueryParameters('/x?h=abc&w=80').terminalSize()).toThrow(
      'invalid resize height "abc": invalid syntax',
    );
    expect(() => new QueryParameters('/x?h=24&w=-1').terminalSize()).toThrow(
      'invalid resize width "-1": value out of range',
    );
  });

  it('reads both notations of filters', () => {
    const terms = { label: { values: ['a', 'b=c'] } };
    expect(parseFilters('{"label":["a","b=c"]}')).toEqual({ terms });
    expect(parseFilters('{"label":{"a":true,"b=c":true}}')).toEqual({ terms });
    expect(parseFilters('')).toEqual({ terms: {} });
  });

  it.each(['nonsense', '[]', '"a"', '{"a":"b"}', '{"a":[1]}', '{"a":{"b":1}}'])('refuses %s', (json) => {
    expect(() => parseFilters(json)).toThrow('invalid filter');
  });
});
