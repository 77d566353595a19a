import { createDocument, updateDocument, knownHostConfig } from './create-document';

const inHostConfig = (HostConfig: object) => ({ Image: 'a', HostConfig });

describe('the types of create documents', () => {
  it.each([
    [{ Image: 5 }, 'number into Go struct field CreateRequest.Image of type string'],
    [{ Image: 'a', Cmd: 5 }, 'number into Go struct field CreateRequest.Cmd of type []string'],
    [{ Image: 'a', Labels: [] }, 'array into Go struct field CreateRequest.Labels of type map[string]string'],
    [
      { Image: 'a', Healthcheck: { Test: 'x' } },
      'string into Go struct field CreateRequest.Healthcheck.Test of type []string',
    ],
    [
      inHostConfig({ Memory: 'much' }),
      'string into Go struct field CreateRequest.HostConfig.Memory of type int64',
    ],
    [
      inHostConfig({ Memory: 1.5 }),
      'number 1.5 into Go struct field CreateRequest.HostConfig.Memory of type int64',
    ],
    [
      inHostConfig({ Binds: '/a:/b' }),
      'string into Go struct field CreateRequest.HostConfig.Binds of type []string',
    ],
    [
      inHostConfig({ Mounts: [{ ReadOnly: 1 }] }),
      'number into Go struct field CreateRequest.HostConfig.Mounts.ReadOnly of type bool',
    ],
    [
      inHostConfig({ PortBindings: { '80/tcp': [{ HostPort: 80 }] } }),
      'number into Go struct field CreateRequest.HostConfig.PortBindings.HostPort of type string',
    ],
    [
      { Image: 'a', NetworkingConfig: { EndpointsConfig: { n: { Aliases: 'x' } } } },
      'string into Go struct field CreateRequest.NetworkingConfig.EndpointsConfig.Aliases of type []string',
    ],
  ])('%j is refused', (given, message) => {
    expect(() => createDocument(given)).toThrow(`invalid JSON: json: cannot unmarshal ${message}`);
  });

  it('takes one string for a command, null, and what it does not know', () => {
    const fine = {
      Image: 'a',
      Cmd: 'one',
      Env: null,
      Unknown: {},
      HostConfig: { CapAdd: 'ALL', Init: null },
    };
    expect(() => createDocument(fine)).not.toThrow();
  });

  it('wants a configuration', () => {
    for (const none of [{}, { HostConfig: {} }]) {
      expect(() => createDocument(none)).toThrow('config cannot be empty in order to create a container');
    }
  });

  it('those of updates too', () => {
    expect(() => updateDocument({ Memory: 'x' })).toThrow('field UpdateConfig.Memory of type int64');
  });
});

it('of a HostConfig what is known is kept, and nothing else', () => {
  expect(knownHostConfig({ Memory: 5, Init: null, Invented: true })).toEqual({ Memory: 5, Init: null });
});
