import { closeSync } from 'node:fs';
import { SystemError, hasCode } from '../errno';
import { check, libc } from '../native';
import { addressText } from './addresses';
import { NLM_F, attribute, message, nested, readAttributes, readMessages, u32, u8 } from './message';

/** A flow that the kernel remembers, as its first packet was sent. */
export interface Flow {
  source: string;
  destination: string;
  sourcePort: number;
  destinationPort: number;
}

/** nf_conntrack of one network namespace. One socket, one thread. */
export interface ConntrackSocket {
  /**
   * Makes the kernel forget UDP flows: their next packet finds its way by the rules of then, not by those of when the flow
   * began. Answers how many.
   * @param port the destination's; absent: of all
   */
  forgetUdp(family: 4 | 6, port: number | undefined, doomed: (flow: Flow) => boolean): number;
  close(): void;
}

export interface Conntrack {
  /** Bound for its life to the network namespace of the calling thread. */
  open(): ConntrackSocket;
}

const socket = libc.declare('int socket(int domain, int type, int protocol)');
const send = libc.declare('long send(int fd, void *buffer, unsigned long length, int flags)');
const recv = libc.declare('long recv(int fd, void *buffer, unsigned long length, int flags)');

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_NETFILTER = 12;
const AF = { 4: 2, 6: 10 } as const;
const IPPROTO_UDP = 17;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NFGENMSG = 4;
const CT_GET = (1 << 8) | 1;
const CT_DELETE = (1 << 8) | 2;
/** linux/netfilter/nfnetlink_conntrack.h */
const CTA_TUPLE_ORIG = 1;
const CTA_ZONE = 18;
const CTA_FILTER = 25;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP = { 4: { source: 1, destination: 2 }, 6: { source: 3, destination: 4 } } as const;
const CTA_PROTO = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const CTA_FILTER_ORIG_FLAGS = 1;
const FILTER_PROTO_NUMBER = 1 << 3;
const FILTER_DESTINATION_PORT = 1 << 5;
const RECEIVE_BUFFER = 64 * 1024;

export class KernelConntrack implements Conntrack {
  open(): ConntrackSocket {
    return new FlowSocket();
  }
}

class FlowSocket implements ConntrackSocket {
  private readonly fd = check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), 'socket');
  private readonly buffer = Buffer.allocUnsafeSlow(RECEIVE_BUFFER);
  private sequence = 1;

  forgetUdp(family: 4 | 6, port: number | undefined, doomed: (flow: Flow) => boolean): number {
    let forgotten = 0;
    for (const body of this.list(family, port)) {
      const attributes = readAttributes(body.subarray(NFGENMSG));
      const tuple = attributes.get(CTA_TUPLE_ORIG);
      const flow = tuple && udpFlow(family, tuple);
      // Kernels before 5.8 do not filter.
      if (!tuple || !flow || (port !== undefined && flow.destinationPort !== port) || !doomed(flow)) continue;
      const zone = attributes.get(CTA_ZONE);
      const named = [nested(CTA_TUPLE_ORIG, tuple), ...(zone ? [attribute(CTA_ZONE, zone)] : [])];
      if (this.forget(family, Buffer.concat(named))) forgotten++;
    }
    return forgotten;
  }

  close(): void {
    closeSync(this.fd);
  }

  private list(family: 4 | 6, port: number | undefined): Buffer[] {
    const flags = FILTER_PROTO_NUMBER | (port === undefined ? 0 : FILTER_DESTINATION_PORT);
    const wanted = [
      u8(CTA_PROTO.number, IPPROTO_UDP),
      ...(port === undefined ? [] : [attribute(CTA_PROTO.destinationPort, bigEndian(port))]),
    ];
    const filter = Buffer.concat([
      header(family),
      nested(CTA_TUPLE_ORIG, nested(CTA_TUPLE_PROTO, ...wanted)),
      nested(CTA_FILTER, u32(CTA_FILTER_ORIG_FLAGS, flags)),
    ]);
    const sequence = this.transmit(CT_GET, NLM_F.REQUEST | NLM_F.ROOT | NLM_F.MATCH, filter);
    const found: Buffer[] = [];
    for (;;) {
      for (const answer of this.receive()) {
        if (answer.sequence !== sequence) continue;
        if (answer.type === NLMSG_DONE) return found;
        if (answer.type === NLMSG_ERROR) throw new SystemError(-answer.body.readInt32LE(0), 'list flows');
        // The receive buffer is used again for the next part.
        found.push(Buffer.from(answer.body));
      }
    }
  }

  /** False where it has ended by itself meanwhile. */
  private forget(family: 4 | 6, named: Buffer): boolean {
    const request = Buffer.concat([header(family), named]);
    const sequence = this.transmit(CT_DELETE, NLM_F.REQUEST | NLM_F.ACK, request);
    for (;;) {
      for (const answer of this.receive()) {
        if (answer.sequence !== sequence || answer.type !== NLMSG_ERROR) continue;
        const errno = -answer.body.readInt32LE(0);
        if (errno === 0) return true;
        const error = new SystemError(errno, 'forget flow');
        if (hasCode(error, 'ENOENT')) return false;
        throw error;
      }
    }
  }

  private transmit(type: number, flags: number, body: Buffer): number {
    const sequence = this.sequence++;
    const bytes = message(type, flags, sequence, body);
    check(send(this.fd, bytes, bytes.length, 0), 'netlink send');
    return sequence;
  }

  private receive() {
    const length = check(recv(this.fd, this.buffer, this.buffer.length, 0), 'netlink recv');
    return readMessages(this.buffer.subarray(0, length));
  }
}

function udpFlow(family: 4 | 6, tuple: Buffer): Flow | undefined {
  const parts = readAttributes(tuple);
  const ip = readAttributes(parts.get(CTA_TUPLE_IP) ?? Buffer.alloc(0));
  const protocol = readAttributes(parts.get(CTA_TUPLE_PROTO) ?? Buffer.alloc(0));
  if (protocol.get(CTA_PROTO.number)?.[0] !== IPPROTO_UDP) return undefined;
  const source = ip.get(CTA_IP[family].source);
  const destination = ip.get(CTA_IP[family].destination);
  const sourcePort = protocol.get(CTA_PROTO.sourcePort);
  const destinationPort = protocol.get(CTA_PROTO.destinationPort);
  if (!source || !destination || !sourcePort || !destinationPort) return undefined;
  return {
    source: addressText(source),
    destination: addressText(destination),
    sourcePort: sourcePort.readUInt16BE(0),
    destinationPort: destinationPort.readUInt16BE(0),
  };
}

/** struct nfgenmsg */
const header = (family: 4 | 6): Buffer => Buffer.from([AF[family], 0, 0, 0]);

function bigEndian(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(port);
  return bytes;
}
