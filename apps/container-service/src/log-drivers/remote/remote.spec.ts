import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Linux } from '@gantry/shared/linux';
import type { ContainerRecord } from '../../records/container-record';
import { journalEntry } from '../journald/journald-driver';
import type { LogDriver, LogSink } from '../log-driver';
import { fluentdDriver } from '../fluentd/fluentd-driver';
import { gelfDatagrams } from '../gelf/gelf-message';
import { gelfDriver } from '../gelf/gelf-driver';
import { syslogDriver } from '../syslog/syslog-driver';

const never = new AbortController().signal;
const line = (text: string, stream = 'stdout') =>
  Buffer.from(`2026-11-23T03:28:42.563007047+00:00 ${stream} F ${text}\n`);

const open = (driver: LogDriver, options: Record<string, string>): Promise<LogSink> =>
  driver.open?.(
    {
      record: {
        id: 'c'.repeat(64),
        name: 'web',
        imageId: 'sha256:1',
        path: 'sh',
        args: [],
        created: 'then',
        config: { Image: 'busybox', Labels: { lab: '1' } },
        hostConfig: { LogConfig: { Config: options } },
      } as unknown as ContainerRecord,
      options,
      linux: {} as Linux,
      jsonPath: '',
      rotated: () => {},
      checkpoint: () => {},
    },
    undefined,
  ) as Promise<LogSink>;

describe('over UDP', () => {
  const server = createSocket('udp4');
  let port = 0;
  beforeAll(async () => {
    server.bind(0, '127.0.0.1');
    await once(server, 'listening');
    port = server.address().port;
  });
  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

  const received = async (driver: LogDriver, options: Record<string, string>, text = line('one')) => {
    const sink = await open(driver, options);
    const message = once(server, 'message');
    await sink.take(text, never);
    await sink.close();
    return ((await message) as [Buffer])[0];
  };

  it.each([
    ['', /^<158>Nov 2\d \d\d:28:42 web\[\d+\]: one\n$/],
    ['rfc3164', /^<158>Nov 2\d \d\d:28:42 \S+ web\[\d+\]: one\n$/],
    ['rfc5424', /^<158>1 2026-11-23T03:28:42Z \S+ web \d+ web - one\n$/],
    ['rfc5424micro', /^<158>1 2026-11-23T03:28:42.563007Z \S+ web \d+ web - one\n$/],
  ])('syslog %s', async (format, expected) => {
    const options = { 'syslog-address': `udp://127.0.0.1:${port}`, 'syslog-format': format };
    const more = { 'syslog-facility': 'local3', tag: '{{.Name}}' };
    expect((await received(syslogDriver, { ...options, ...more })).toString()).toMatch(expected);
  });

  it('gelf, compressed', async () => {
    const options = { 'gelf-address': `udp://127.0.0.1:${port}`, labels: 'lab' };
    const message = await received(gelfDriver, options, line('bad', 'stderr'));
    expect(JSON.parse(gunzipSync(message).toString())).toMatchObject({
      version: '1.1',
      short_message: 'bad',
      level: 3,
      timestamp: 1795404522.563,
      _container_name: 'web',
      _tag: 'c'.repeat(12),
      _lab: '1',
    });
  });

  it('gelf in chunks where it is long', () => {
    const chunks = gelfDatagrams(Buffer.alloc(4000, 'x'), 'none', 1);
    expect(chunks.map(({ length }) => length)).toEqual([1420, 1420, 1196]);
    expect(Buffer.concat(chunks.map((chunk) => chunk.subarray(12)))).toEqual(Buffer.alloc(4000, 'x'));
    expect(gelfDatagrams(Buffer.alloc(200_000), 'none', 1)).toEqual([]);
  });
});

describe('over a stream', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-remote-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  const serve = async (onData: (socket: Socket, data: Buffer) => void, path?: string) => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('data', (data) => onData(socket, data)).on('error', () => {});
    });
    server.listen(path ?? { port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const close = async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    };
    return { port: (server.address() as AddressInfo).port, close };
  };

  it('says who is not there as dockerd does', async () => {
    const { port, close } = await serve(() => {});
    await close();
    await expect(open(syslogDriver, { 'syslog-address': `tcp://127.0.0.1:${port}` })).rejects.toThrow(
      `dial tcp 127.0.0.1:${port}: connect: connection refused`,
    );
    await expect(open(fluentdDriver, { 'fluentd-address': `unix://${directory}/none` })).rejects.toThrow(
      `dial unix ${directory}/none: connect: no such file or directory`,
    );
  });

  it('gelf ends each message with a zero', async () => {
    let got = '';
    const { port, close } = await serve((_socket, data) => (got += data.toString()));
    const sink = await open(gelfDriver, { 'gelf-address': `tcp://127.0.0.1:${port}` });
    await sink.take(Buffer.concat([line('one'), line(''), line('two')]), never);
    while (!got.endsWith('\0') || !got.includes('two')) await new Promise(setImmediate);
    expect(
      got
        .split('\0')
        .slice(0, -1)
        .map((each) => (JSON.parse(each) as { short_message: string }).short_message),
    ).toEqual(['one', 'two']);
    await sink.close();
    await close();
  });

  it('fluentd is told again what it did not acknowledge', async () => {
    const batches: string[] = [];
    const { close } = await serve(
      (socket, data) => {
        const text = data.toString('latin1');
        batches.push(text);
        if (batches.length === 1) return socket.destroy();
        socket.write(`\x81\xa3ack\xb8${/chunk.(.{24})/s.exec(text)?.[1]}`);
      },
      join(directory, 'fluentd'),
    );
    const sink = await open(fluentdDriver, {
      'fluentd-address': `unix://${directory}/fluentd`,
      'fluentd-request-ack': 'true',
      'fluentd-retry-wait': '10ms',
      'fluentd-sub-second-precision': 'true',
    });
    await sink.take(line('hello'), never);
    expect(batches).toHaveLength(2);
    expect(batches[1]).toBe(batches[0]);
    expect(batches[0]).toContain('\xa3log\xa5hello');
    expect(batches[0]).toContain('\xaecontainer_name\xa4/web');
    await sink.close();
    await close();
  });
});

it('the journal gets fields with their lengths', () => {
  const entry = journalEntry(
    { stream: 'stderr', time: '', text: Buffer.from('a\nb'), endsLine: true },
    { CONTAINER_NAME: 'web' },
  );
  expect(entry.toString('latin1')).toBe(
    'CONTAINER_NAME\n\x03\0\0\0\0\0\0\0web\nPRIORITY\n\x01\0\0\0\0\0\0\x003\nMESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n',
  );
});
