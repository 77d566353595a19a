import { parseRegistryAuth, registryCredentials } from './credentials';

const header = (document: unknown) => Buffer.from(JSON.stringify(document)).toString('base64');

it('reads credentials in either alphabet, with and without padding', () => {
  const given = { username: 'a?', password: 'b>~', serveraddress: 'registry.example' };
  const encoded = header(given);
  expect(parseRegistryAuth(encoded)).toEqual(given);
  expect(parseRegistryAuth(encoded.replace(/=+$/, '').replace(/\+/g, '-').replace(/\//g, '_'))).toEqual(
    given,
  );
});

it.each(['', '!!!', header('x'), header(null), header([]), header({ username: 1 })])(
  'takes %j for nobody',
  (text) => expect(parseRegistryAuth(text)).toBeUndefined(),
);

it('says which field of a login is wrong', () => {
  expect(() => registryCredentials({ serveraddress: 1 })).toThrow(
    'invalid JSON: json: cannot unmarshal number into Go struct field AuthConfig.serveraddress of type string',
  );
});
