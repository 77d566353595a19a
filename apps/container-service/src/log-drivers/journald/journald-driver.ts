import { existsSync } from 'node:fs';
import { invalidArgument } from '@gantry/shared/errors';
import type { ContainerRecord } from '../../records/container-record';
import type { LogLine } from '../line-assembler';
import { ATTRIBUTE_OPTIONS, checkAttributeOptions, extraAttributes } from '../log-attributes';
import type { LogDriver } from '../log-driver';
import { checkTag, DEFAULT_TAG, expandTag } from '../log-tag';
import { LineSink } from '../remote/line-sink';
import { UnixDatagramConnection } from '../remote/remote-connection';

const JOURNAL = '/run/systemd/journal/socket';
const RETRIES = { max: Infinity, pause: 1_000 };
const INFO = '6';
const ERROR = '3';

/** dockerd's journald driver, where the host has a journal. */
export const journaldDriver: LogDriver = {
  check(options) {
    for (const name of Object.keys(options)) {
      if (!ATTRIBUTE_OPTIONS.includes(name))
        throw invalidArgument(`unknown log opt '${name}' for journald log driver`);
    }
    checkAttributeOptions(options);
    checkTag(options['tag'] ?? '');
  },

  async open({ options, record, linux }, state) {
    if (!existsSync(JOURNAL)) throw invalidArgument('journald is not enabled on this host');
    const connection = new UnixDatagramConnection(linux, JOURNAL, RETRIES);
    await connection.open();
    const fields = journalFields(record, expandTag(options['tag'] ?? DEFAULT_TAG, record));
    return new LineSink(connection, (line) => [journalEntry(line, fields)], state);
  },
};

/** Of every entry of a container; names as dockerd's. */
export function journalFields(record: ContainerRecord, tag: string): Record<string, string> {
  return {
    CONTAINER_ID: record.id.slice(0, 12),
    CONTAINER_ID_FULL: record.id,
    CONTAINER_NAME: record.name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: record.config.Image,
    SYSLOG_IDENTIFIER: tag,
    ...extraAttributes(record, fieldName),
  };
}

/** A datagram of the journal's native protocol (systemd: JOURNAL_NATIVE_PROTOCOL). */
export function journalEntry(line: LogLine, fields: Record<string, string>): Buffer {
  const { part } = line;
  const all = {
    ...fields,
    PRIORITY: line.stream === 'stderr' ? ERROR : INFO,
    ...(part && {
      CONTAINER_PARTIAL_ID: `${fields['CONTAINER_ID']}-${part.line}`,
      CONTAINER_PARTIAL_ORDINAL: String(part.ordinal),
      CONTAINER_PARTIAL_LAST: String(part.last),
      ...(part.last ? {} : { CONTAINER_PARTIAL_MESSAGE: 'true' }),
    }),
  };
  return Buffer.concat([
    ...Object.entries(all).map(([name, value]) => journalField(name, Buffer.from(value))),
    journalField('MESSAGE', line.text),
  ]);
}

/** With its length, which any value may have. */
function journalField(name: string, value: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from('\n')]);
}

/** Capitals, digits and underscores, not beginning with one. */
const fieldName = (key: string): string =>
  key
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '_')
    .replace(/^_+/, '');
