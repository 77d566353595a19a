import { AF_INET, addressText, macText } from './addresses';
import { Attributes, readAttributes, readText } from './message';
import type { Address, Link, LinkStatistics, Route } from './requests';
import { IFA, IFLA, IFLA_INFO, RTA } from './rtnetlink-numbers';

const IFF_UP = 1;
const RTN_UNICAST = 1;

const number = (attributes: Attributes, type: number): number | undefined =>
  attributes.get(type)?.readUInt32LE(0);

/** The body of an RTM_NEWLINK message. */
export function decodeLink(body: Buffer): Link {
  const attributes = readAttributes(body.subarray(16));
  const flags = body.readUInt32LE(8);
  const mac = attributes.get(IFLA.ADDRESS);
  const info = attributes.get(IFLA.LINKINFO);
  return {
    index: body.readInt32LE(4),
    name: readText(attributes.get(IFLA.IFNAME)) ?? '',
    kind: info && readText(readAttributes(info).get(IFLA_INFO.KIND)),
    flags,
    up: (flags & IFF_UP) !== 0,
    mtu: number(attributes, IFLA.MTU) ?? 0,
    mac: mac && mac.length === 6 ? macText(mac) : undefined,
    alias: readText(attributes.get(IFLA.IFALIAS)),
    master: number(attributes, IFLA.MASTER),
    peer: number(attributes, IFLA.LINK),
    peerNamespace: attributes.get(IFLA.LINK_NETNSID)?.readInt32LE(0),
    gsoMaxSize: number(attributes, IFLA.GSO_IPV4_MAX_SIZE) ?? number(attributes, IFLA.GSO_MAX_SIZE),
    statistics: decodeStatistics(attributes.get(IFLA.STATS64)),
  };
}

/** struct rtnl_link_stats64 */
function decodeStatistics(bytes: Buffer | undefined): LinkStatistics {
  const counter = (index: number): number =>
    bytes && bytes.length >= (index + 1) * 8 ? Number(bytes.readBigUInt64LE(index * 8)) : 0;
  return {
    rxPackets: counter(0),
    txPackets: counter(1),
    rxBytes: counter(2),
    txBytes: counter(3),
    rxErrors: counter(4),
    txErrors: counter(5),
    rxDropped: counter(6),
    txDropped: counter(7),
  };
}

/** The body of an RTM_NEWADDR message. */
export function decodeAddress(body: Buffer): Address {
  const attributes = readAttributes(body.subarray(8));
  // On a point-to-point link IFA_ADDRESS is the other end.
  const bytes = attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS);
  return {
    link: body.readInt32LE(4),
    family: body[0] === AF_INET ? 4 : 6,
    address: `${bytes ? addressText(bytes) : ''}/${body[1]}`,
    scope: body[3] ?? 0,
  };
}

/** The body of an RTM_NEWROUTE message; undefined for routes that are not unicast (local, broadcast ...). */
export function decodeRoute(body: Buffer): Route | undefined {
  if (body[7] !== RTN_UNICAST) return undefined;
  const attributes = readAttributes(body.subarray(12));
  const address = (type: number): string | undefined => {
    const bytes = attributes.get(type);
    return bytes && addressText(bytes);
  };
  const destination = address(RTA.DST);
  return {
    family: body[0] === AF_INET ? 4 : 6,
    destination: destination === undefined ? undefined : `${destination}/${body[1]}`,
    gateway: address(RTA.GATEWAY),
    link: number(attributes, RTA.OIF),
    source: address(RTA.PREFSRC),
    metric: number(attributes, RTA.PRIORITY) ?? 0,
    table: number(attributes, RTA.TABLE) ?? body[4] ?? 0,
    scope: body[6] ?? 0,
  };
}
