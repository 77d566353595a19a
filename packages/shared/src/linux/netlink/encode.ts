import { AF_INET, AF_INET6, addressBytes, familyOf, macBytes, parsePrefix } from './addresses';
import { NLM_F, attribute, message, nested, text, u16, u32, u8 } from './message';
import type {
  AddBridge,
  AddDummy,
  AddIpvlan,
  AddMacvlan,
  AddVeth,
  AddVlan,
  AddressChange,
  LinkRef,
  NetlinkRequest,
  NewLink,
  RouteChange,
  SetLink,
  SetPort,
} from './requests';
import { IFA, IFLA, IFLA_BRPORT, IFLA_INFO, RTA, RTM, RT_SCOPE } from './rtnetlink-numbers';

const AF_BRIDGE = 7;
const IFF_UP = 1;
const IFA_F_NODAD = 2;
const VETH_INFO_PEER = 1;
const MACVLAN_MODE = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
const IPVLAN_MODE = { l2: 0, l3: 1, l3s: 2 } as const;
const IPVLAN_FLAG = { bridge: 0, private: 1, vepa: 2 } as const;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;
const RTNH_F_ONLINK = 4;
export const MAIN_TABLE = 254;

const CHANGE = NLM_F.REQUEST | NLM_F.ACK;
const CREATE = CHANGE | NLM_F.CREATE | NLM_F.EXCL;

/**
 * The requests the kernel needs for one of ours. It ignores an alias at creation; and a bridge follows the MTU of its
 * ports unless its own was set after it was made. Both become a request of their own.
 */
export function expandRequest(request: NetlinkRequest): NetlinkRequest[] {
  if (!isLinkToAdd(request)) return [request];
  const { alias, mtu } = request;
  const ownMtu = request.type === 'add-bridge' ? mtu : undefined;
  if (alias === undefined && ownMtu === undefined) return [request];
  if (request.netns !== undefined) {
    throw new RangeError(`${request.name}: alias and bridge MTU are set from inside its namespace`);
  }
  // Setting the MTU it already has would not count: the bridge is made with the default one.
  const made = ownMtu === undefined ? request : { ...request, mtu: undefined };
  return [made, { type: 'set-link', link: request.name, alias, mtu: ownMtu }];
}

function isLinkToAdd(request: NetlinkRequest): request is LinkToAdd {
  return request.type.startsWith('add-') && !['add-address', 'add-route'].includes(request.type);
}

/** The netlink message of a request. RangeError for what cannot be said in one. */
export function encodeRequest(request: NetlinkRequest, sequence: number): Buffer {
  switch (request.type) {
    case 'add-bridge':
    case 'add-dummy':
    case 'add-veth':
    case 'add-macvlan':
    case 'add-ipvlan':
    case 'add-vlan':
      return message(RTM.NEWLINK, CREATE, sequence, newLink(request));
    case 'set-link':
      return message(RTM.SETLINK, CHANGE, sequence, setLink(request));
    case 'set-port':
      return message(RTM.SETLINK, CHANGE, sequence, setPort(request));
    case 'delete-link':
      return message(RTM.DELLINK, CHANGE, sequence, linkHeader(request.link));
    case 'add-address':
      return message(RTM.NEWADDR, CREATE, sequence, addressBody(request));
    case 'delete-address':
      return message(RTM.DELADDR, CHANGE, sequence, addressBody(request));
    case 'add-route':
      return message(RTM.NEWROUTE, CREATE, sequence, routeBody(request));
    case 'delete-route':
      return message(RTM.DELROUTE, CHANGE, sequence, routeBody(request));
  }
}

/** struct ifinfomsg */
export function interfaceInfo(index: number, flags = 0, change = 0, family = 0): Buffer {
  const info = Buffer.alloc(16);
  info[0] = family;
  info.writeInt32LE(index, 4);
  info.writeUInt32LE(flags, 8);
  info.writeUInt32LE(change, 12);
  return info;
}

/** A link named in a header: by index in the structure itself, by name in an attribute. */
export function linkHeader(link: LinkRef, flags = 0, change = 0): Buffer {
  if (typeof link === 'number') return interfaceInfo(link, flags, change);
  return Buffer.concat([interfaceInfo(0, flags, change), text(IFLA.IFNAME, linkName(link))]);
}

function linkName(name: string): string {
  if (name === '' || Buffer.byteLength(name) > 15) throw new RangeError(`not a link name: ${name}`);
  return name;
}

type LinkToAdd = AddBridge | AddDummy | AddVeth | AddMacvlan | AddIpvlan | AddVlan;

function newLink(request: LinkToAdd): Buffer {
  const kind = request.type.slice('add-'.length);
  const parts = [newLinkHeader(request), text(IFLA_INFO.KIND, kind)] as const;
  const data = linkData(request);
  const info = data ? [parts[1], nested(IFLA_INFO.DATA, ...data)] : [parts[1]];
  const parent = 'parent' in request ? [u32(IFLA.LINK, request.parent)] : [];
  return Buffer.concat([parts[0], ...parent, nested(IFLA.LINKINFO, ...info)]);
}

function newLinkHeader(link: NewLink): Buffer {
  return Buffer.concat([
    interfaceInfo(link.index ?? 0, link.up ? IFF_UP : 0, link.up ? IFF_UP : 0),
    text(IFLA.IFNAME, linkName(link.name)),
    ...settings(link),
  ]);
}

function settings(link: Partial<Omit<SetLink, 'link' | 'type'>>): Buffer[] {
  const parts: Buffer[] = [];
  if (link.mtu !== undefined) parts.push(u32(IFLA.MTU, link.mtu));
  if (link.mac !== undefined) parts.push(attribute(IFLA.ADDRESS, macBytes(link.mac)));
  if (link.master !== undefined) parts.push(u32(IFLA.MASTER, link.master ?? 0));
  if (link.alias !== undefined) parts.push(attribute(IFLA.IFALIAS, Buffer.from(link.alias)));
  if (link.netns !== undefined) parts.push(u32(IFLA.NET_NS_FD, link.netns));
  if (link.gsoMaxSize !== undefined) {
    parts.push(u32(IFLA.GSO_MAX_SIZE, link.gsoMaxSize), u32(IFLA.GSO_IPV4_MAX_SIZE, link.gsoMaxSize));
  }
  return parts;
}

function linkData(request: LinkToAdd): Buffer[] | undefined {
  switch (request.type) {
    case 'add-veth':
      return [nested(VETH_INFO_PEER, newLinkHeader(request.peer))];
    case 'add-macvlan':
      return [u32(1, MACVLAN_MODE[request.mode])];
    case 'add-ipvlan':
      return [u16(1, IPVLAN_MODE[request.mode]), u16(2, IPVLAN_FLAG[request.flag ?? 'bridge'])];
    case 'add-vlan':
      return [u16(1, request.id)];
    default:
      return undefined;
  }
}

function setLink(request: SetLink): Buffer {
  const flags = request.up ? IFF_UP : 0;
  const change = request.up === undefined ? 0 : IFF_UP;
  if (request.name !== undefined && typeof request.link === 'string') {
    throw new RangeError(`a link is renamed by its index, not by its name: ${request.link}`);
  }
  const name = request.name === undefined ? [] : [text(IFLA.IFNAME, linkName(request.name))];
  return Buffer.concat([linkHeader(request.link, flags, change), ...name, ...settings(request)]);
}

function setPort(request: SetPort): Buffer {
  const flags: Buffer[] = [];
  if (request.hairpin !== undefined) flags.push(u8(IFLA_BRPORT.MODE, Number(request.hairpin)));
  if (request.isolated !== undefined) flags.push(u8(IFLA_BRPORT.ISOLATED, Number(request.isolated)));
  return Buffer.concat([interfaceInfo(request.link, 0, 0, AF_BRIDGE), nested(IFLA.PROTINFO, ...flags)]);
}

/** struct ifaddrmsg and its attributes */
function addressBody(change: AddressChange): Buffer {
  const { bytes, length } = parsePrefix(change.address);
  const header = Buffer.alloc(8);
  header[0] = familyOf(bytes);
  header[1] = length;
  header.writeInt32LE(change.link, 4);
  const parts = [header, attribute(IFA.LOCAL, bytes), attribute(IFA.ADDRESS, bytes)];
  if (change.broadcast) parts.push(attribute(IFA.BROADCAST, addressBytes(change.broadcast)));
  if (change.noDad) parts.push(u32(IFA.FLAGS, IFA_F_NODAD));
  return Buffer.concat(parts);
}

/** struct rtmsg and its attributes */
function routeBody(route: RouteChange): Buffer {
  const destination = route.destination === undefined ? undefined : parsePrefix(route.destination);
  const gateway = route.gateway === undefined ? undefined : addressBytes(route.gateway);
  const known = destination?.bytes ?? gateway;
  const header = Buffer.alloc(12);
  header[0] = known ? familyOf(known) : route.family === 6 ? AF_INET6 : AF_INET;
  header[1] = destination?.length ?? 0;
  header[4] = MAIN_TABLE;
  header[5] = RTPROT_BOOT;
  header[6] = gateway ? RT_SCOPE.UNIVERSE : RT_SCOPE.LINK;
  header[7] = RTN_UNICAST;
  if (route.onlink) header.writeUInt32LE(RTNH_F_ONLINK, 8);
  const parts: Buffer[] = [header];
  if (destination) parts.push(attribute(RTA.DST, destination.bytes));
  if (gateway) parts.push(attribute(RTA.GATEWAY, gateway));
  if (route.link !== undefined) parts.push(u32(RTA.OIF, route.link));
  if (route.source) parts.push(attribute(RTA.PREFSRC, addressBytes(route.source)));
  if (route.metric !== undefined) parts.push(u32(RTA.PRIORITY, route.metric));
  if (route.table !== undefined) parts.push(u32(RTA.TABLE, route.table));
  return Buffer.concat(parts);
}
