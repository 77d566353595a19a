import { parseCreateRequest } from './create-request';

const parse = (document: object) => parseCreateRequest(Buffer.from(JSON.stringify(document)));

it.each([
  [{ Name: 3 }, 'number into Go struct field CreateRequest.Name of type string'],
  [{ EnableIPv6: 'true' }, 'string into Go struct field CreateRequest.EnableIPv6 of type bool'],
  [{ Options: { a: 3 } }, 'number into Go struct field CreateRequest.Options of type string'],
  [
    { IPAM: { Config: {} } },
    'object into Go struct field CreateRequest.IPAM.Config of type []network.IPAMConfig',
  ],
  [
    { IPAM: { Config: [{ Subnet: 3 }] } },
    'number into Go struct field CreateRequest.IPAM.Config.Subnet of type string',
  ],
])('%j is refused', (document, complaint) => {
  expect(() => parse(document)).toThrow(`invalid JSON: json: cannot unmarshal ${complaint}`);
});

it('takes null for an empty subnet', () => {
  expect(parse({ Name: 'n', IPAM: { Config: [null] } }).IPAM?.Config).toEqual([{}]);
});
