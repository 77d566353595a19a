import { readFileSync, rmSync } from 'node:fs';
import http, { type RequestListener, type Server } from 'node:http';
import https from 'node:https';
import { BlockList, isIP, type ListenOptions, type Socket } from 'node:net';
import { SettingError } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import type { GatewayConfig } from '../config';
import { routeUpgradeRequests } from '../hijack/upgrade-requests';
import { answerMalformedRequests, answerPlainHttp } from './malformed-requests';
import { RequestsInOrder } from './requests-in-order';
import { clearSocketPath, guardSocket } from './unix-socket';

/** Idle connections are kept for clients that come back. Milliseconds. */
const KEEP_ALIVE_MS = 90_000;

/** As Go's net/http: the credentials of all registries travel in a header (X-Registry-Config). Bytes. */
const MAX_HEADER_BYTES = 1024 * 1024;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** The sockets on which one application serves the API. */
export class ApiListeners {
  private readonly servers: { server: Server; socketPath?: string }[] = [];
  /** Open ones, also those that are no longer HTTP's. */
  private readonly connections = new Set<Socket>();

  constructor(
    private readonly config: GatewayConfig,
    private readonly application: RequestListener,
  ) {}

  /** @throws Error in one line where a host cannot be served; nothing listens then. */
  async open(): Promise<void> {
    try {
      for (const host of this.config.hosts) await this.listen(host);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Takes no more requests; ends idle connections at once and streams after `graceMs` milliseconds. */
  async close(graceMs = 500): Promise<void> {
    const force = setTimeout(() => {
      for (const connection of this.connections) connection.destroy();
    }, graceMs);
    await this.finish();
    clearTimeout(force);
  }

  /** Takes no more requests, and resolves when the last connection has ended. */
  async finish(): Promise<void> {
    for (const { server, socketPath } of this.servers.splice(0)) {
      server.close();
      server.closeIdleConnections();
      server.keepAliveTimeout = 1; // what is being answered is not kept for another request
      if (socketPath) rmSync(socketPath, { force: true });
    }
    await Promise.all(
      Array.from(
        this.connections,
        (connection) => new Promise((resolve) => connection.once('close', resolve)),
      ),
    );
  }

  private async listen(host: string): Promise<void> {
    const inherited = this.config.inherited.get(host);
    const where = (own: ListenOptions): ListenOptions | { fd: number } =>
      inherited === undefined ? own : { fd: inherited };
    if (host.startsWith('unix://')) {
      const path = host.slice('unix://'.length);
      if (inherited === undefined) await clearSocketPath(path);
      const server = this.serve(http.createServer({ maxHeaderSize: MAX_HEADER_BYTES }));
      await listening(server, where({ path }), host);
      guardSocket(path, this.config.socketGroup);
      this.servers.push({ server, socketPath: inherited === undefined ? path : undefined });
    } else if (host.startsWith('tcp://')) {
      const { hostname, port } = tcpAddress(host);
      const server = this.serve(this.tcpServer(host, hostname));
      await listening(server, where({ host: hostname || undefined, port }), host);
      this.servers.push({ server });
    } else if (inherited !== undefined) {
      const server = this.serve(http.createServer({ maxHeaderSize: MAX_HEADER_BYTES }));
      await listening(server, where({}), host);
      this.servers.push({ server });
      // Whether TCP wants certificates is said by its address, which is not to be had here.
      if (server.address() instanceof Object)
        throw new SettingError(`${host}: systemd hands over unix sockets, TCP is named in GANTRY_HOSTS`);
    } else {
      throw new SettingError(`GANTRY_HOSTS: ${host} is neither unix:///path nor tcp://host:port`);
    }
  }

  private tcpServer(host: string, hostname: string): Server {
    const { tls, allowPlainTcp } = this.config;
    if (tls) {
      return https.createServer({
        cert: pemFile('GANTRY_TLS_CERT', tls.cert),
        key: pemFile('GANTRY_TLS_KEY', tls.key),
        ca: tls.ca === undefined ? undefined : pemFile('GANTRY_TLS_CACERT', tls.ca),
        requestCert: tls.verifyClients,
        rejectUnauthorized: tls.verifyClients,
        minVersion: 'TLSv1.2',
        // The end of stdin is a half-close: the output still has to go out.
        allowHalfOpen: true,
        maxHeaderSize: MAX_HEADER_BYTES,
      } as https.ServerOptions);
    }
    if (!allowPlainTcp && !isLoopback(hostname)) {
      throw new SettingError(
        `${host} would give root on this host to everyone who can reach it: set GANTRY_TLS_CACERT, GANTRY_TLS_CERT ` +
          'and GANTRY_TLS_KEY, or GANTRY_ALLOW_PLAIN_TCP=1 to do it all the same',
      );
    }
    return http.createServer({ maxHeaderSize: MAX_HEADER_BYTES });
  }

  private serve(server: Server): Server {
    const requests = new RequestsInOrder(this.application);
    server.on('request', requests.listener);
    answerMalformedRequests(server, requests);
    answerPlainHttp(server);
    // `echo ... | nc -U` ends its side with its request.
    (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
    server.on(server instanceof https.Server ? 'secureConnection' : 'connection', (connection: Socket) => {
      this.connections.add(connection);
      connection.once('close', () => this.connections.delete(connection));
    });
    routeUpgradeRequests(server, this.application);
    server.requestTimeout = 0; // an upload takes as long as it takes
    server.headersTimeout = 30_000;
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    server.timeout = 0;
    return server;
  }
}

function pemFile(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new SettingError(`${setting}: ${messageOf(error)}`, { cause: error });
  }
}

function tcpAddress(host: string): { hostname: string; port: number } {
  const match = /^tcp:\/\/(\[[^\]]*\]|[^:/]*):(\d+)\/?$/.exec(host);
  if (!match) throw new SettingError(`GANTRY_HOSTS: ${host} is not of the form tcp://host:port`);
  return { hostname: (match[1] ?? '').replace(/^\[|\]$/g, ''), port: Number(match[2]) };
}

/** An empty host means all addresses, which is anything but loopback. */
function isLoopback(hostname: string): boolean {
  const family = isIP(hostname);
  if (family === 0) return hostname === 'localhost';
  return LOOPBACK.check(hostname, family === 4 ? 'ipv4' : 'ipv6');
}

function listening(server: Server, options: ListenOptions | { fd: number }, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`cannot listen on ${host}: ${error.message}`)));
    server.listen(options, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}
