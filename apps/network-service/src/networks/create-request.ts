import { checkFieldTypes, type Struct } from '@gantry/shared/documents';
import { fromJson } from '@gantry/shared/grpc';
import type { NetworkCreateConfig } from './network-config';

/** API: NetworkCreateRequest. */
const CREATE_REQUEST: Struct = {
  struct: 'network.CreateRequest',
  fields: {
    Name: 'string',
    Driver: 'string',
    Scope: 'string',
    EnableIPv4: 'bool',
    EnableIPv6: 'bool',
    IPAM: {
      struct: 'network.IPAM',
      fields: {
        Driver: 'string',
        Options: { map: 'string' },
        Config: {
          list: {
            struct: 'network.IPAMConfig',
            fields: {
              Subnet: 'string',
              IPRange: 'string',
              Gateway: 'string',
              AuxiliaryAddresses: { map: 'string' },
            },
          },
        },
      },
    },
    Internal: 'bool',
    Attachable: 'bool',
    Ingress: 'bool',
    ConfigOnly: 'bool',
    ConfigFrom: { struct: 'network.ConfigReference', fields: { Network: 'string' } },
    Options: { map: 'string' },
    Labels: { map: 'string' },
  },
};

/** @throws InvalidArgument in dockerd's words where a value is of another type than its field */
export function parseCreateRequest(json: Buffer): NetworkCreateConfig {
  const document = fromJson<NetworkCreateConfig>(json);
  checkFieldTypes(document, CREATE_REQUEST);
  const { IPAM } = document;
  // In Go a null in a list is an empty value.
  return IPAM?.Config
    ? { ...document, IPAM: { ...IPAM, Config: IPAM.Config.map((each) => each ?? {}) } }
    : document;
}
