import { closeSync, existsSync } from 'node:fs';
import { SystemError } from './errno';
import { check, libc } from './native';
import { type ReceivedMessage, readAttributes, readMessages, readText } from './netlink/message';
import { newPipeHandle, type PipeHandle } from './pipe-handle';

/** One transaction of whichever program. */
export interface NftablesChange {
  /** The tables that it touched, `inet gantry`; undefined when the kernel had more to tell than we could take. */
  tables?: Set<string>;
  /** Made by this process. */
  own: boolean;
}

/** The kernel's own news of nftables (NFNLGRP_NFTABLES): costs nothing while nothing happens. */
export interface NftablesMonitor {
  close(): void;
}

const socket = libc.declare('int socket(int domain, int type, int protocol)');
const fcntl = libc.declare('int fcntl(int fd, int command, int value)');
const bind = libc.declare('int bind(int fd, void *address, uint32_t length)');

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const NETLINK_NETFILTER = 12;
const NFNLGRP_NFTABLES = 7;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWGEN = 15;
const NFTA_GEN_PROC_PID = 2;
/** In a message about a chain, a rule, a set or its elements as well. */
const NFTA_TABLE_NAME = 1;
const NFGENMSG = 4;
const FAMILIES: Record<number, string> = {
  1: 'inet',
  2: 'ip',
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
  10: 'ip6',
};

/** Listens in the network namespace of the calling thread, on the event loop of the same. */
export function openNftablesMonitor(listener: (change: NftablesChange) => void): NftablesMonitor {
  const fd = subscribe();
  let tables = new Set<string>();
  let handle: PipeHandle;
  const onread = (chunk: ArrayBuffer | undefined): void => {
    if (chunk) return readMessages(Buffer.from(chunk)).forEach(take);
    // ENOBUFS: something was lost. The socket goes on, and libuv needs a new handle for it.
    tables = new Set();
    handle.close();
    handle = read(fd, onread);
    listener({ own: false });
  };
  const take = ({ type, body }: ReceivedMessage): void => {
    if (type >> 8 !== NFNL_SUBSYS_NFTABLES) return;
    const attributes = readAttributes(body.subarray(NFGENMSG));
    if ((type & 0xff) !== NFT_MSG_NEWGEN) {
      tables.add(`${FAMILIES[body[0] ?? 0]} ${readText(attributes.get(NFTA_TABLE_NAME))}`);
      return;
    }
    // The last message of a transaction, which says who made it.
    const thread = attributes.get(NFTA_GEN_PROC_PID)?.readUInt32BE(0);
    const change = { tables, own: existsSync(`/proc/self/task/${thread}`) };
    tables = new Set();
    listener(change);
  };
  handle = read(fd, onread);
  return {
    close: () => {
      handle.close();
      closeSync(fd);
    },
  };
}

function subscribe(): number {
  const fd = check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER), 'socket');
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK, 0);
  address.writeUInt32LE(1 << (NFNLGRP_NFTABLES - 1), 8);
  try {
    check(bind(fd, address, address.length), 'bind');
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Keeps no process alive. */
function read(fd: number, onread: PipeHandle['onread']): PipeHandle {
  const own = check(fcntl(fd, F_DUPFD_CLOEXEC, 0), 'fcntl');
  const handle = newPipeHandle();
  const failed = handle.open(own);
  if (failed < 0) {
    closeSync(own);
    throw new SystemError(-failed, 'uv_pipe_open', 'nftables monitor');
  }
  handle.onread = onread;
  handle.readStart();
  handle.unref();
  return handle;
}
