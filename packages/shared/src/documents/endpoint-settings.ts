import type { Struct } from './field-types';

/** API: EndpointSettings, the part that a user may set. */
export const ENDPOINT_SETTINGS: Struct = {
  struct: 'network.EndpointSettings',
  fields: {
    IPAMConfig: {
      struct: 'network.EndpointIPAMConfig',
      fields: { IPv4Address: 'string', IPv6Address: 'string', LinkLocalIPs: { list: 'string' } },
    },
    Links: { list: 'string' },
    Aliases: { list: 'string' },
    MacAddress: 'string',
    DriverOpts: { map: 'string' },
    GwPriority: 'int',
  },
};
