import { randomBytes } from 'node:crypto';
import type { NetworkRecord } from '../records/network-record';
import type { EndpointRecord, EndpointSettings } from '../records/sandbox-record';

/** The endpoint on `none` or `host`: on record, and nothing in the kernel. */
export function nullEndpoint(network: NetworkRecord, settings: EndpointSettings): EndpointRecord {
  const id = randomBytes(32).toString('hex');
  return {
    id,
    networkId: network.id,
    interfaceName: '',
    address: '',
    prefix: 0,
    gateway: '',
    mac: '',
    settings,
  };
}
