import { ENDPOINT_SETTINGS } from './endpoint-settings';
import { checkFieldTypes } from './field-types';

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
  [{ GwPriority: 1.5 }, 'number into Go struct field EndpointSettings.GwPriority of type int'],
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
