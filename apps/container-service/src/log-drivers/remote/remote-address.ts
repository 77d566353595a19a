import { existsSync } from 'node:fs';
import { invalidArgument } from '@gantry/shared/errors';

/** Where a log driver sends to. */
export type RemoteAddress =
  | { protocol: 'tcp' | 'udp' | 'tcp+tls'; host: string; port: number }
  | { protocol: 'unix' | 'unixgram'; path: string };

/** `proto://rest`, both as given; undefined for what has no protocol. */
export function splitAddress(address: string): { protocol: string; rest: string } | undefined {
  const [, protocol, rest] = /^([a-z+]+):\/\/(.*)$/.exec(address) ?? [];
  return protocol === undefined || rest === undefined ? undefined : { protocol, rest };
}

/** @throws InvalidArgument in the words of Go's net.SplitHostPort */
export function splitHostPort(address: string): { host: string; port?: number } {
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (port?.includes(':') || (host === '' && port === undefined))
    throw invalidArgument(`address ${address}: too many colons in address`);
  if (port === undefined) return { host };
  if (!/^\d+$/.test(port)) throw invalidArgument(`strconv.Atoi: parsing "${port}": invalid syntax`);
  return { host, port: Number(port) };
}

/** @throws InvalidArgument where nothing is there */
export function existingPath(path: string): string {
  if (!existsSync(path)) throw invalidArgument(`stat ${path}: no such file or directory`);
  return path;
}

const CAUSES: Record<string, string> = {
  ECONNREFUSED: 'connect: connection refused',
  ENOENT: 'connect: no such file or directory',
  EACCES: 'connect: permission denied',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
};

/** Why a connection was not made, in the words of Go's net.Dial. */
export function dialError(address: RemoteAddress, error: unknown): Error {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const network = address.protocol === 'tcp+tls' ? 'tcp' : address.protocol;
  if ('path' in address) return new Error(`dial ${network} ${address.path}: ${CAUSES[code] ?? message}`);
  if (code === 'ENOTFOUND') return new Error(`dial ${network}: lookup ${address.host}: no such host`);
  return new Error(`dial ${network} ${address.host}:${address.port}: ${CAUSES[code] ?? message}`);
}
