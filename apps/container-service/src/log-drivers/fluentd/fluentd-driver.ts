import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { invalidArgument } from '@gantry/shared/errors';
import { utcTime } from '../../logs/log-record';
import type { ContainerRecord } from '../../records/container-record';
import type { LogLine } from '../line-assembler';
import { ATTRIBUTE_OPTIONS, checkAttributeOptions, extraAttributes } from '../log-attributes';
import type { LogDriver } from '../log-driver';
import { checkTag, DEFAULT_TAG, expandTag } from '../log-tag';
import {
  type LogOptions,
  parseBool,
  parseDuration,
  parseInteger,
  parseSize,
  prefixed,
} from '../option-values';
import { LineSink } from '../remote/line-sink';
import { splitAddress, splitHostPort } from '../remote/remote-address';
import { StreamConnection } from '../remote/remote-connection';
import { EventTime, pack, type Packable } from './message-pack';

/** The options of fluentd's own, and what their values have to be. */
const OPTIONS: Record<string, (value: string) => unknown> = {
  'fluentd-address': () => undefined,
  'fluentd-async': parseBool,
  'fluentd-async-connect': parseBool,
  'fluentd-buffer-limit': (value) => parseSize(value, 1024),
  'fluentd-retry-wait': parseDuration,
  'fluentd-max-retries': (value) => parseInteger(value, 'ParseUint'),
  'fluentd-request-ack': parseBool,
  'fluentd-sub-second-precision': parseBool,
};
const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 24224;
const RETRY_WAIT_MS = 500;
const ACK_MS = 30_000;

/** dockerd's fluentd driver: the forward protocol over TCP or a unix socket. */
export const fluentdDriver: LogDriver = {
  check(options) {
    for (const [name, value] of Object.entries(options)) {
      const check = OPTIONS[name];
      if (!check && !ATTRIBUTE_OPTIONS.includes(name)) {
        throw invalidArgument(`unknown log opt '${name}' for fluentd log driver`);
      }
      check?.(value);
    }
    if (options['fluentd-async'] !== undefined && options['fluentd-async-connect'] !== undefined) {
      throw invalidArgument(
        "conflicting options: cannot specify both 'fluentd-async' and 'fluentd-async-connect",
      );
    }
    addressOf(options);
    checkAttributeOptions(options);
    checkTag(options['tag'] ?? '');
  },

  async open({ options, record }, state) {
    const asked = (name: string) => options[name] !== undefined && parseBool(options[name]);
    const acknowledged = asked('fluentd-request-ack') ? new Acknowledgement() : undefined;
    const retries = {
      max: options['fluentd-max-retries'] === undefined ? Infinity : Number(options['fluentd-max-retries']),
      pause:
        options['fluentd-retry-wait'] === undefined
          ? RETRY_WAIT_MS
          : parseDuration(options['fluentd-retry-wait']),
    };
    const connection = new StreamConnection(
      addressOf(options),
      retries,
      {},
      acknowledged && ((socket, signal) => acknowledged.wait(socket, signal)),
    );
    if (!asked('fluentd-async') && !asked('fluentd-async-connect')) await connection.open();
    const tag = expandTag(options['tag'] ?? DEFAULT_TAG, record);
    const fields = { container_id: record.id, container_name: `/${record.name}`, ...extraAttributes(record) };
    const precise = asked('fluentd-sub-second-precision');
    return new LineSink(
      connection,
      (line) => [
        pack([tag, timeOf(line, precise), recordOf(line, fields, record), ...(acknowledged?.next() ?? [])]),
      ],
      state,
    );
  },
};

function recordOf(line: LogLine, fields: Record<string, string>, { id }: ContainerRecord): Packable {
  const { part } = line;
  return {
    ...fields,
    source: line.stream,
    log: line.text,
    ...(part && {
      partial_message: 'true',
      partial_id: `${id.slice(0, 12)}-${part.line}`,
      partial_ordinal: String(part.ordinal),
      partial_last: String(part.last),
    }),
  };
}

function timeOf({ time }: LogLine, precise: boolean): Packable {
  const text = utcTime(time);
  const seconds = Math.floor(Date.parse(text) / 1000);
  return precise ? new EventTime(seconds, Number(text.slice(20, 29))) : seconds;
}

/** `fluentd-request-ack`: the server repeats the id of each message that it has. */
class Acknowledgement {
  private expected: string[] = [];

  next(): Packable[] {
    const chunk = randomBytes(16).toString('base64');
    this.expected.push(chunk);
    return [{ chunk }];
  }

  /** @throws Error where it does not come in time: the batch is sent again */
  wait(socket: Socket, signal: AbortSignal): Promise<void> {
    let text = '';
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        clearTimeout(timer);
        socket.removeListener('data', onData).removeListener('close', onClose);
        signal.removeEventListener('abort', onClose);
        if (error) return reject(error);
        this.expected = [];
        resolve();
      };
      const onData = (data: Buffer) => {
        text += data.toString('latin1');
        if (this.expected.every((chunk) => text.includes(chunk))) settle();
      };
      const onClose = () => settle(new Error('not acknowledged'));
      const timer = setTimeout(onClose, ACK_MS);
      socket.on('data', onData).once('close', onClose);
      signal.addEventListener('abort', onClose, { once: true });
    });
  }
}

function addressOf(
  options: LogOptions,
): { protocol: 'tcp'; host: string; port: number } | { protocol: 'unix'; path: string } {
  const given = options['fluentd-address'] ?? '';
  const { protocol, rest = '' } = splitAddress(given) ?? {};
  if (protocol === 'unix') {
    if (rest === '') throw invalidArgument('dial unix: missing address');
    return { protocol, path: rest };
  }
  if (protocol === 'tls') throw invalidArgument('fluentd over TLS is not supported');
  const { host, port = DEFAULT_PORT } = prefixed(`invalid fluentd-address ${given}: `, () =>
    splitHostPort((protocol === 'tcp' ? rest.replace(/\/.*$/, '') : given) || DEFAULT_HOST),
  );
  return { protocol: 'tcp', host: host || DEFAULT_HOST, port };
}
