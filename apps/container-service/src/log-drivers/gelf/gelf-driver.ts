import { invalidArgument } from '@gantry/shared/errors';
import { ATTRIBUTE_OPTIONS, checkAttributeOptions } from '../log-attributes';
import type { LogDriver } from '../log-driver';
import { checkTag, DEFAULT_TAG, expandTag } from '../log-tag';
import type { LogOptions } from '../option-values';
import { LineSink } from '../remote/line-sink';
import { splitAddress, splitHostPort } from '../remote/remote-address';
import { type Retries, StreamConnection, UdpConnection } from '../remote/remote-connection';
import {
  GELF_COMPRESSIONS,
  gelfDatagrams,
  gelfFields,
  gelfMessage,
  type GelfCompression,
} from './gelf-message';

const OPTIONS = [
  'gelf-address',
  ...ATTRIBUTE_OPTIONS,
  ...[
    'gelf-compression-level',
    'gelf-compression-type',
    'gelf-tcp-max-reconnect',
    'gelf-tcp-reconnect-delay',
  ],
];
const BEST_SPEED = 1;
/** Attempts, and seconds between them: dockerd's. */
const RECONNECTS = { max: 3, delay: 1 };
const END = Buffer.from([0]);

/** dockerd's gelf driver: Graylog and Logstash, UDP or TCP. */
export const gelfDriver: LogDriver = {
  check(options) {
    const { protocol } = addressOf(options);
    for (const [name, value] of Object.entries(options)) {
      if (!OPTIONS.includes(name)) throw invalidArgument(`unknown log opt '${name}' for gelf log driver`);
      if (name.startsWith('gelf-compression')) checkCompression(name, value, protocol);
      if (name.startsWith('gelf-tcp')) checkReconnect(name, value, protocol);
    }
    checkAttributeOptions(options);
    checkTag(options['tag'] ?? '');
  },

  async open({ options, record }, state) {
    const address = addressOf(options);
    const fields = gelfFields(record, expandTag(options['tag'] ?? DEFAULT_TAG, record));
    const connection =
      address.protocol === 'udp'
        ? new UdpConnection(address)
        : new StreamConnection(address, retriesOf(options));
    await connection.open().catch((error: Error) => {
      throw new Error(
        `gelf: cannot connect to GELF endpoint: ${address.host}:${address.port} ${error.message}`,
      );
    });
    const compression = (options['gelf-compression-type'] ?? 'gzip') as GelfCompression;
    const level = Number(options['gelf-compression-level'] ?? BEST_SPEED);
    return new LineSink(
      connection,
      (line) => {
        if (line.text.length === 0) return [];
        const message = gelfMessage(line, fields);
        if (address.protocol === 'tcp') return [message, END];
        return gelfDatagrams(message, compression, level);
      },
      state,
    );
  },
};

function addressOf(options: LogOptions): { protocol: 'udp' | 'tcp'; host: string; port: number } {
  const given = options['gelf-address'];
  if (!given) throw invalidArgument('gelf-address is a required parameter');
  const { protocol, rest } = splitAddress(given) ?? {};
  if ((protocol !== 'udp' && protocol !== 'tcp') || rest === undefined) {
    throw invalidArgument(`gelf-address should be in form proto://address, got ${given}`);
  }
  const { host, port } = splitHostPort(rest.replace(/\/.*$/, ''));
  if (port === undefined) throw invalidArgument('gelf: please provide gelf-address as proto://host:port');
  return { protocol, host, port };
}

function checkCompression(name: string, value: string, protocol: string): void {
  if (protocol !== 'udp') throw invalidArgument('compression is only supported on UDP');
  const known =
    name === 'gelf-compression-type'
      ? GELF_COMPRESSIONS.includes(value)
      : /^-?\d+$/.test(value) && Number(value) >= -1 && Number(value) <= 9;
  if (!known) throw invalidArgument(`unknown value "${value}" for log opt "${name}" for gelf log driver`);
}

function checkReconnect(name: string, value: string, protocol: string): void {
  if (protocol !== 'tcp') throw invalidArgument(`"${name}" is only valid for TCP`);
  if (!/^\d+$/.test(value)) throw invalidArgument(`"${name}" must be a positive integer`);
}

function retriesOf(options: LogOptions): Retries {
  return {
    max: Number(options['gelf-tcp-max-reconnect'] ?? RECONNECTS.max),
    pause: Number(options['gelf-tcp-reconnect-delay'] ?? RECONNECTS.delay) * 1000,
  };
}
