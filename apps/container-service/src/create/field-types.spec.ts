import { checkConfigTypes, knownHostConfig } from './field-types';

describe('the types of create documents', () => {
  it.each([
    [
      { Memory: 'much' },
      'cannot unmarshal string into Go struct field CreateRequest.HostConfig.Memory of type int64',
    ],
    [
      { Memory: 1.5 },
      'cannot unmarshal number into Go struct field CreateRequest.HostConfig.Memory of type int64',
    ],
    [
      { Binds: '/a:/b' },
      'cannot unmarshal string into Go struct field CreateRequest.HostConfig.Binds of type []',
    ],
    [
      { Privileged: 1 },
      'cannot unmarshal number into Go struct field CreateRequest.HostConfig.Privileged of type bool',
    ],
    [{ Tmpfs: [] }, 'cannot unmarshal array into Go struct field CreateRequest.HostConfig.Tmpfs of type map'],
  ])('%j is refused', (given, message) => {
    expect(() => knownHostConfig(given)).toThrow(`json: ${message}`);
  });

  it('those of the configuration too', () => {
    expect(() => checkConfigTypes({ Image: 5 })).toThrow('field CreateRequest.Image of type string');
    expect(() => checkConfigTypes({ Image: 'a', Cmd: 'one', Env: null, Unknown: {} })).not.toThrow();
  });

  it('keeps what is known, and nothing else', () => {
    expect(knownHostConfig({ Memory: 5, Init: null, Invented: true })).toEqual({ Memory: 5, Init: null });
  });
});
