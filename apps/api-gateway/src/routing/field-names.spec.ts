import { spellFieldNames } from './field-names';

const spelled = (document: Record<string, unknown>) => ({ changed: spellFieldNames(document), document });

it('leaves a document that is spelled as the API does', () => {
  const document = {
    Image: 'a',
    HostConfig: { Binds: [], LogConfig: { Type: 'local', Config: { env: 'x' } } },
  };
  expect(spelled(structuredClone(document))).toEqual({ changed: false, document });
});

it('takes field names in any case, at any depth', () => {
  expect(
    spelled({
      image: 'a',
      hostconfig: { MOUNTS: [{ type: 'bind', bindOptions: { propagation: 'rshared' } }], unknown: 1 },
      NetworkingConfig: { EndpointsConfig: { front: { ipamconfig: { ipv4address: '10.0.0.2' } } } },
    }),
  ).toEqual({
    changed: true,
    document: {
      Image: 'a',
      HostConfig: { Mounts: [{ Type: 'bind', BindOptions: { Propagation: 'rshared' } }], unknown: 1 },
      NetworkingConfig: { EndpointsConfig: { front: { IPAMConfig: { IPv4Address: '10.0.0.2' } } } },
    },
  });
});

it('does not touch the names that clients choose', () => {
  const document = {
    Labels: { image: 'x', USER: 'y' },
    Volumes: { env: {} },
    HostConfig: {
      LogConfig: { Config: { LABELS: 'a', path: '/x' } },
      Sysctls: { name: '1' },
      PortBindings: { 'TARGET/tcp': [{ HostPort: '1' }] },
    },
    NetworkingConfig: { EndpointsConfig: { container: { DriverOpts: { mode: 'l2' } } } },
  };
  expect(spelled(structuredClone(document))).toEqual({ changed: false, document });
});

it('takes a null for nothing, but for a name that the client chose', () => {
  expect(
    spelled({
      Cmd: null,
      Volumes: { '/data': null },
      IPAM: { Driver: null, Options: null, Config: [{ Subnet: '10.1.0.0/24', Gateway: null }] },
      EndpointsConfig: { front: null },
    }),
  ).toEqual({
    changed: true,
    document: {
      Volumes: { '/data': null },
      IPAM: { Config: [{ Subnet: '10.1.0.0/24' }] },
      EndpointsConfig: { front: null },
    },
  });
});

it('spells what is in a list of IPAM configurations', () => {
  expect(
    spelled({ IPAM: { Config: [{ subnet: '10.1.0.0/24', auxiliaryAddresses: { host: '10.1.0.5' } }] } }),
  ).toEqual({
    changed: true,
    document: { IPAM: { Config: [{ Subnet: '10.1.0.0/24', AuxiliaryAddresses: { host: '10.1.0.5' } }] } },
  });
});
