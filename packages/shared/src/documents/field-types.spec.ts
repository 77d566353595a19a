import { ENDPOINT_SETTINGS } from './endpoint-settings';
import { checkFieldTypes, withZeroValues } from './field-types';

it.each([
  [{ Aliases: 'x' }, 'string into Go struct field EndpointSettings.Aliases of type []string'],
  [{ Aliases: [3] }, 'number into Go struct field EndpointSettings.Aliases of type string'],
  [
    { IPAMConfig: 'x' },
    'string into Go struct field EndpointSettings.IPAMConfig of type network.EndpointIPAMConfig',
  ],
  [
    { IPAMConfig: { IPv4Address: true } },
    'bool into Go struct field EndpointSettings.IPAMConfig.IPv4Address of type string',
  ],
  [{ DriverOpts: [] }, 'array into Go struct field EndpointSettings.DriverOpts of type map[string]string'],
  [{ DriverOpts: { a: {} } }, 'object into Go struct field EndpointSettings.DriverOpts of type string'],
  [{ GwPriority: 1.5 }, 'number 1.5 into Go struct field EndpointSettings.GwPriority of type int'],
])('%j is refused', (document, complaint) => {
  expect(() => checkFieldTypes(document, ENDPOINT_SETTINGS)).toThrow(
    `invalid JSON: json: cannot unmarshal ${complaint}`,
  );
});

it('takes what fits, nothing at all, and fields that it does not know', () => {
  const document = {
    Aliases: ['x'],
    Links: null,
    IPAMConfig: {},
    DriverOpts: { a: 'b' },
    GwPriority: 1,
    Other: 5,
  };
  expect(() => checkFieldTypes(document, ENDPOINT_SETTINGS)).not.toThrow();
});

it('takes one string for a list of words, and nothing else that is no list', () => {
  const struct = { struct: 'x.Y', fields: { Cmd: 'words' } } as const;
  for (const Cmd of ['a', ['a', 'b'], []]) expect(() => checkFieldTypes({ Cmd }, struct)).not.toThrow();
  for (const Cmd of [5, {}, [5]]) {
    expect(() => checkFieldTypes({ Cmd }, struct)).toThrow('into Go struct field Y.Cmd of type');
  }
});

it('refuses a number that no int64 holds', () => {
  const struct = { struct: 'x.Y', fields: { Memory: 'int64' } } as const;
  expect(() => checkFieldTypes({ Memory: 1e20 }, struct)).toThrow(
    'cannot unmarshal number 100000000000000000000 into Go struct field Y.Memory of type int64',
  );
  expect(() => checkFieldTypes({ Memory: -1 }, struct)).not.toThrow();
});

it('reads null in lists and maps as zero values', () => {
  const struct = {
    struct: 'x.Y',
    fields: {
      Cmd: 'words',
      Env: { list: 'string' },
      Labels: { map: 'string' },
      Mounts: { list: { struct: 'x.M', fields: { Options: { list: { list: 'string' } } } } },
      Ports: { map: { list: { struct: 'x.P', fields: {} } } },
    },
  } as const;
  const document = {
    Cmd: 'one',
    Env: [null, 'A=b'],
    Labels: { a: null },
    Mounts: [null, { Options: [null, [null]] }],
    Ports: { a: null, b: [null] },
    Other: [null],
  };
  expect(withZeroValues(document, struct)).toEqual({
    Cmd: 'one',
    Env: ['', 'A=b'],
    Labels: { a: '' },
    Mounts: [{}, { Options: [[], ['']] }],
    Ports: { a: null, b: [{}] },
    Other: [null],
  });
});
