// The sockets on which the API is served. The supervisor makes and keeps them, the gateway accepts on them: who comes while no
// gateway runs waits for the next one, and two gateways can serve side by side while one leaves.
import { existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { dirname } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { StartError } from './names.mjs';

/** Of sd_listen_fds(3): the first descriptor that systemd hands over. */
const FIRST_FROM_SYSTEMD = 3;

/** The host that stands for all sockets of a systemd socket unit, as in dockerd. */
export const FROM_SYSTEMD = 'fd://';

export class ApiSockets {
  #handles = [];
  /** One for each of `hosts`: descriptors that a gateway may accept on. */
  fds = [];
  /** What a gateway is told: without `fd://`, whose sockets come as `fd://<number>`. */
  hosts = [];

  /**
   * @param {string[]} hosts `unix:///path`, `tcp://host:port`, `fd://`
   * @returns {Promise<ApiSockets>}
   * @throws {StartError} in one line, where one cannot be had; the others are given back then
   */
  static async open(hosts, env = process.env) {
    const sockets = new ApiSockets();
    try {
      for (const host of hosts) await sockets.#open(host, env);
    } catch (error) {
      sockets.close();
      throw error;
    }
    return sockets;
  }

  /** Those that were made here go; systemd keeps its own. */
  close() {
    for (const handle of this.#handles.splice(0)) handle.close();
  }

  async #open(host, env) {
    if (host === FROM_SYSTEMD) {
      for (const fd of fromSystemd(env)) this.#add(`${FROM_SYSTEMD}${fd}`, fd);
    } else if (host.startsWith('unix://')) {
      const path = host.slice('unix://'.length);
      await clear(path);
      this.#bind(host, path, -1, -1);
    } else {
      const { address, port, family } = await tcpAddress(host);
      this.#bind(host, address, port, family);
    }
  }

  /** Binds and does not listen: the gateway does, so nobody is let in before it is there. What `node:cluster` uses for that. */
  #bind(host, address, port, family) {
    const handle = net._createServerHandle(address, port, family);
    if (typeof handle === 'number') {
      throw new StartError(`cannot listen on ${host}: ${getSystemErrorName(handle)}`);
    }
    this.#handles.push(handle);
    this.#add(host, handle.fd);
  }

  #add(host, fd) {
    this.hosts.push(host);
    this.fds.push(fd);
  }
}

function fromSystemd(env) {
  const count = Number(env.LISTEN_PID) === process.pid ? Number(env.LISTEN_FDS) : 0;
  if (!(count > 0)) throw new StartError(`${FROM_SYSTEMD}: systemd has handed over no socket`);
  return Array.from({ length: count }, (_, index) => FIRST_FROM_SYSTEMD + index);
}

async function tcpAddress(host) {
  const match = /^tcp:\/\/(\[[^\]]*\]|[^:/]*):(\d+)\/?$/.exec(host);
  if (!match) throw new StartError(`GANTRY_HOSTS: ${host} is neither unix:///path nor tcp://host:port`);
  const name = (match[1] ?? '').replace(/^\[|\]$/g, '') || '::';
  const { address, family } = await lookup(name).catch((error) => {
    throw new StartError(`GANTRY_HOSTS: ${host}: ${error.message}`);
  });
  return { address, family, port: Number(match[2]) };
}

/** A socket that nobody answers on goes. @throws StartError where something else is there */
async function clear(path) {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket()) throw new StartError(`${path} exists and is not a socket`);
  const inUse = await new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
  if (inUse) throw new StartError(`${path} is in use: another engine answers there`);
  rmSync(path, { force: true });
}
