import { isIPv6, SocketAddress } from 'node:net';
import type { PublishedPort } from '../records/sandbox-record';
import type { Element, Part } from './table';

/** What published ports add to the table: an element each. Those that only the relay serves have none. */
export function portElements(ports: readonly PublishedPort[]): Part {
  return { chains: new Map(), elements: ports.flatMap(elementOf) };
}

function elementOf({ protocol, hostIp, hostPort, address, containerPort }: PublishedPort): Element[] {
  const six = isIPv6(hostIp);
  if (hostPort === 0) {
    const key = `${canonical(address)} . ${protocol} . ${containerPort}`;
    return [{ lookup: six ? 'open6' : 'open', key, target: '' }];
  }
  if (isIPv6(address) !== six) return [];
  const maps = six ? 'published6' : 'published';
  const target = `${canonical(address)} . ${containerPort}`;
  return hostIp === '0.0.0.0' || hostIp === '::'
    ? [{ lookup: `${maps}_any`, key: `${protocol} . ${hostPort}`, target }]
    : [{ lookup: maps, key: `${protocol} . ${canonical(hostIp)} . ${hostPort}`, target }];
}

/** As nft writes it. */
const canonical = (address: string): string =>
  isIPv6(address) ? new SocketAddress({ address, family: 'ipv6' }).address : address;
