import { closeSync } from 'node:fs';
import { SystemError, hasCode } from '../errno';
import { check, libc } from '../native';
import { decodeAddress, decodeLink, decodeRoute } from './decode';
import { MAIN_TABLE, encodeRequest, expandRequest, interfaceInfo, linkHeader } from './encode';
import { NLM_F, ReceivedMessage, message, readAttributes, readMessages, readText } from './message';
import type { NetlinkSocket } from './netlink';
import type { Address, Link, LinkRef, NetlinkRequest, Route } from './requests';
import { RTM } from './rtnetlink-numbers';

const socket = libc.declare('int socket(int domain, int type, int protocol)');
const bind = libc.declare('int bind(int fd, void *address, uint32_t length)');
const setsockopt = libc.declare(
  'int setsockopt(int fd, int level, int option, void *value, uint32_t length)',
);
const send = libc.declare('long send(int fd, void *buffer, unsigned long length, int flags)');
const recv = libc.declare('long recv(int fd, void *buffer, unsigned long length, int flags)');

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSGERR_ATTR_MSG = 1;
const DUMP = NLM_F.REQUEST | NLM_F.ROOT | NLM_F.MATCH;
/** The kernel fills datagrams of a dump up to 32 KiB when the reader has that much room. */
const RECEIVE_BUFFER = 64 * 1024;
/** Somebody who changes links all the time shall not keep us for ever. */
const DUMP_TRIES = 10;
/** Far below the default send buffer of 208 KiB; the socket's receive buffer holds the acknowledgements of as many. */
const BATCH = 128;

/** A synchronous rtnetlink socket: the kernel has answered by the time send(2) returns. */
export class RouteSocket implements NetlinkSocket {
  private readonly fd: number;
  private readonly buffer = Buffer.allocUnsafeSlow(RECEIVE_BUFFER);
  private sequence = 1;

  constructor() {
    this.fd = check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), 'socket');
    try {
      const address = Buffer.alloc(12);
      address.writeUInt16LE(AF_NETLINK, 0);
      check(bind(this.fd, address, address.length), 'bind');
      const on = Buffer.from([1, 0, 0, 0]);
      check(setsockopt(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, on, on.length), 'setsockopt');
      check(setsockopt(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, on, on.length), 'setsockopt');
      check(setsockopt(this.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, on, on.length), 'setsockopt');
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
  }

  send(requests: NetlinkRequest[]): void {
    let first: SystemError | undefined;
    const all = requests.flatMap(expandRequest);
    for (let at = 0; at < all.length; at += BATCH) {
      const failed = this.sendBatch(all.slice(at, at + BATCH));
      first ??= failed;
    }
    if (first) throw first;
  }

  links(): Link[] {
    return this.dump(RTM.GETLINK, interfaceInfo(0)).map((answer) => decodeLink(answer.body));
  }

  link(link: LinkRef): Link | undefined {
    const sequence = this.sequence++;
    this.transmit(message(RTM.GETLINK, NLM_F.REQUEST, sequence, linkHeader(link)));
    for (const answer of this.receive()) {
      if (answer.sequence !== sequence) continue;
      if (answer.type === RTM.NEWLINK) return decodeLink(answer.body);
      const error = failure(answer, `get-link ${link}`);
      if (error && !hasCode(error, 'ENODEV')) throw error;
    }
    return undefined;
  }

  addresses(link?: number): Address[] {
    const header = Buffer.alloc(8);
    header.writeInt32LE(link ?? 0, 4);
    const found = this.dump(RTM.GETADDR, header).map((answer) => decodeAddress(answer.body));
    return link === undefined ? found : found.filter((address) => address.link === link);
  }

  routes(family?: 4 | 6, tables: 'main' | 'all' = 'main'): Route[] {
    return this.dump(RTM.GETROUTE, Buffer.alloc(12))
      .map((answer) => decodeRoute(answer.body))
      .filter((route): route is Route => route !== undefined)
      .filter((route) => tables === 'all' || route.table === MAIN_TABLE)
      .filter((route) => family === undefined || route.family === family);
  }

  close(): void {
    closeSync(this.fd);
  }

  private sendBatch(requests: NetlinkRequest[]): SystemError | undefined {
    const start = this.sequence;
    this.sequence += requests.length;
    this.transmit(Buffer.concat(requests.map((request, index) => encodeRequest(request, start + index))));
    let first: SystemError | undefined;
    for (let waiting = requests.length; waiting > 0;) {
      for (const answer of this.receive()) {
        const request = requests[answer.sequence - start];
        if (answer.type !== NLMSG_ERROR || !request) continue;
        waiting--;
        first ??= failure(answer, describe(request));
      }
    }
    return first;
  }

  private dump(type: number, header: Buffer): ReceivedMessage[] {
    for (let tries = 1; ; tries++) {
      const { found, interrupted } = this.dumpOnce(type, header);
      if (!interrupted || tries === DUMP_TRIES) return found;
    }
  }

  /** `interrupted`: what was dumped changed meanwhile, and something may be missing. */
  private dumpOnce(type: number, header: Buffer): { found: ReceivedMessage[]; interrupted: boolean } {
    const sequence = this.sequence++;
    this.transmit(message(type, DUMP, sequence, header));
    const found: ReceivedMessage[] = [];
    let interrupted = false;
    for (;;) {
      for (const answer of this.receive()) {
        if (answer.sequence !== sequence) continue;
        interrupted ||= (answer.flags & NLM_F.DUMP_INTR) !== 0;
        if (answer.type === NLMSG_DONE) return { found, interrupted };
        const error = failure(answer, `dump ${type}`);
        if (error) throw error;
        // The receive buffer is used again for the next part.
        found.push({ ...answer, body: Buffer.from(answer.body) });
      }
    }
  }

  private transmit(bytes: Buffer): void {
    check(send(this.fd, bytes, bytes.length, 0), 'netlink send');
  }

  private receive(): ReceivedMessage[] {
    const length = check(recv(this.fd, this.buffer, this.buffer.length, 0), 'netlink recv');
    return readMessages(this.buffer.subarray(0, length));
  }
}

/** The error of an NLMSG_ERROR answer, with the text of the extended acknowledgement; undefined for an ACK. */
function failure(answer: ReceivedMessage, request: string): SystemError | undefined {
  if (answer.type !== NLMSG_ERROR) return undefined;
  const errno = -answer.body.readInt32LE(0);
  if (errno === 0) return undefined;
  if ((answer.flags & NLM_F.ACK_TLVS) === 0) return new SystemError(errno, request);
  const echoed = (answer.flags & NLM_F.CAPPED) !== 0 ? 16 : answer.body.readUInt32LE(4);
  const said = readText(readAttributes(answer.body.subarray(4 + echoed)).get(NLMSGERR_ATTR_MSG));
  return new SystemError(errno, request, undefined, said);
}

/** `add-veth veth1234`, `add-address 172.17.0.2/16`: what the request is about, for messages. */
function describe(request: NetlinkRequest): string {
  return `${request.type} ${subject(request)}`;
}

function subject(request: NetlinkRequest): string | number {
  switch (request.type) {
    case 'add-route':
    case 'delete-route':
      return request.destination ?? 'default';
    case 'add-address':
    case 'delete-address':
      return request.address;
    case 'set-link':
    case 'set-port':
    case 'delete-link':
      return request.link;
    default:
      return request.name;
  }
}
