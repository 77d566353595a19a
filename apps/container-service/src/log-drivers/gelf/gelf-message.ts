import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { deflateSync, gzipSync } from 'node:zlib';
import { utcTime } from '../../logs/log-record';
import type { ContainerRecord } from '../../records/container-record';
import type { LogLine } from '../line-assembler';
import { extraAttributes } from '../log-attributes';

const INFO = 6;
const ERROR = 3;

/** The fields that every message of a container has (GELF 1.1; names as dockerd's). */
export function gelfFields(record: ContainerRecord, tag: string): Record<string, string> {
  return {
    _container_id: record.id,
    _container_name: record.name,
    _image_id: record.imageId,
    _image_name: record.config.Image,
    _command: [record.path, ...record.args].join(' '),
    _tag: tag,
    _created: record.created,
    ...extraAttributes(record, (key) => `_${key.startsWith('_') ? key.slice(1) : key}`),
  };
}

/** One line as a GELF message, not compressed. */
export function gelfMessage(line: LogLine, fields: Record<string, string>): Buffer {
  return Buffer.from(
    JSON.stringify({
      version: '1.1',
      host: hostname(),
      short_message: line.text.toString(),
      timestamp: Date.parse(utcTime(line.time)) / 1000,
      level: line.stream === 'stderr' ? ERROR : INFO,
      ...fields,
    }),
  );
}

export type GelfCompression = 'gzip' | 'zlib' | 'none';
export const GELF_COMPRESSIONS: string[] = ['gzip', 'zlib', 'none'];

/** Bytes of a datagram, header included. */
const CHUNK = 1420;
const CHUNK_HEADER = 12;
const MOST_CHUNKS = 128;

/** The datagrams of one message; none where it is too long for GELF's 128 chunks. */
export function gelfDatagrams(message: Buffer, compression: GelfCompression, level: number): Buffer[] {
  const bytes = compressed(message, compression, level);
  if (bytes.length <= CHUNK) return [bytes];
  const room = CHUNK - CHUNK_HEADER;
  const count = Math.ceil(bytes.length / room);
  if (count > MOST_CHUNKS) return [];
  const id = randomBytes(8);
  return Array.from({ length: count }, (_, index) =>
    Buffer.concat([
      Buffer.from([0x1e, 0x0f]),
      id,
      Buffer.from([index, count]),
      bytes.subarray(index * room, (index + 1) * room),
    ]),
  );
}

function compressed(message: Buffer, compression: GelfCompression, level: number): Buffer {
  if (compression === 'none') return message;
  return compression === 'gzip' ? gzipSync(message, { level }) : deflateSync(message, { level });
}
