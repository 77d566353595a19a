import { existsSync, readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { invalidArgument } from '@gantry/shared/errors';
import { ATTRIBUTE_OPTIONS, checkAttributeOptions } from '../log-attributes';
import type { LogDriver, SinkContext } from '../log-driver';
import { checkTag, DEFAULT_TAG, expandTag } from '../log-tag';
import type { LogOptions } from '../option-values';
import { LineSink } from '../remote/line-sink';
import { existingPath, type RemoteAddress, splitAddress, splitHostPort } from '../remote/remote-address';
import {
  type RemoteConnection,
  StreamConnection,
  UdpConnection,
  UnixDatagramConnection,
} from '../remote/remote-connection';
import { FACILITIES, FORMATS, syslogMessage } from './syslog-message';

const OPTIONS = [
  ...ATTRIBUTE_OPTIONS,
  ...['syslog-address', 'syslog-facility', 'syslog-format'],
  ...['syslog-tls-ca-cert', 'syslog-tls-cert', 'syslog-tls-key', 'syslog-tls-skip-verify'],
];
const PROTOCOLS = ['udp', 'tcp', 'tcp+tls', 'unix', 'unixgram'];
const LOCAL_SOCKETS = ['/dev/log', '/var/run/syslog', '/var/run/log'];
const DEFAULT_PORT = 514;
const DAEMON = FACILITIES.indexOf('daemon');
const RETRIES = { max: Infinity, pause: 1_000 };

/** dockerd's syslog driver: UDP, TCP, TLS, unix sockets. */
export const syslogDriver: LogDriver = {
  check(options) {
    for (const name of Object.keys(options)) {
      if (!OPTIONS.includes(name)) throw invalidArgument(`unknown log opt '${name}' for syslog log driver`);
    }
    addressOf(options);
    facilityOf(options);
    if (!FORMATS.includes(options['syslog-format'] ?? '')) throw invalidArgument('Invalid syslog format');
    checkAttributeOptions(options);
    checkTag(options['tag'] ?? '');
  },

  async open(context, state) {
    const { options, record } = context;
    const { connection, secure } = await connected(context);
    const style = {
      format: options['syslog-format'] ?? '',
      facility: facilityOf(options),
      tag: expandTag(options['tag'] ?? DEFAULT_TAG, record),
      framed: secure && (options['syslog-format'] ?? '').startsWith('rfc5424'),
    };
    const message = (line: Parameters<typeof syslogMessage>[0]) =>
      line.text.length === 0 ? [] : [syslogMessage(line, style)];
    return new LineSink(connection, message, state);
  },
};

async function connected({
  options,
  linux,
}: SinkContext): Promise<{ connection: RemoteConnection; secure: boolean }> {
  const address = addressOf(options);
  if (!address) {
    const path = LOCAL_SOCKETS.find((each) => existsSync(each));
    if (path === undefined) throw invalidArgument('Unix syslog delivery error');
    const connection = new UnixDatagramConnection(linux, path, RETRIES);
    await connection.open().catch(() => {
      throw invalidArgument('Unix syslog delivery error');
    });
    return { connection, secure: false };
  }
  const connection = connectionTo(address, options, linux);
  await connection.open();
  return { connection, secure: address.protocol === 'tcp+tls' };
}

function connectionTo(
  address: RemoteAddress,
  options: LogOptions,
  linux: SinkContext['linux'],
): RemoteConnection {
  if (address.protocol === 'udp') return new UdpConnection(address);
  if (address.protocol === 'unixgram') return new UnixDatagramConnection(linux, address.path, RETRIES);
  return new StreamConnection(address, RETRIES, address.protocol === 'tcp+tls' ? tlsOf(options) : {});
}

/** undefined: the syslog of this host. */
function addressOf(options: LogOptions): RemoteAddress | undefined {
  const given = options['syslog-address'];
  if (!given) return undefined;
  const { protocol, rest } = splitAddress(given) ?? {};
  if (protocol === undefined || rest === undefined || !PROTOCOLS.includes(protocol)) {
    throw invalidArgument(`syslog-address should be in form proto://address, got ${given}`);
  }
  if (protocol === 'unix' || protocol === 'unixgram') return { protocol, path: existingPath(rest) };
  const { host, port = DEFAULT_PORT } = splitHostPort(rest);
  return { protocol: protocol as 'udp' | 'tcp' | 'tcp+tls', host, port };
}

function facilityOf(options: LogOptions): number {
  const given = options['syslog-facility'];
  if (!given) return DAEMON;
  const byNumber = /^\d+$/.test(given) ? Number(given) : -1;
  const facility = FACILITIES.includes(given) ? FACILITIES.indexOf(given) : byNumber;
  if (facility < 0 || facility >= FACILITIES.length) throw invalidArgument('invalid syslog facility');
  return facility;
}

/** @throws InvalidArgument in dockerd's words for a file that cannot be read */
function tlsOf(options: LogOptions): ConnectionOptions {
  const read = (option: string, what: string): Buffer | undefined => {
    const path = options[option];
    if (!path) return undefined;
    try {
      return readFileSync(path);
    } catch {
      throw invalidArgument(`could not read ${what} "${path}": open ${path}: no such file or directory`);
    }
  };
  return {
    ca: read('syslog-tls-ca-cert', 'CA certificate'),
    cert: read('syslog-tls-cert', 'X509 certificate'),
    key: read('syslog-tls-key', 'X509 key'),
    // As dockerd: given at all means yes.
    rejectUnauthorized: options['syslog-tls-skip-verify'] === undefined,
  };
}
