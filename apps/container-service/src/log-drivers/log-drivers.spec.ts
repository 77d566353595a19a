import type { ContainerRecord } from '../records/container-record';
import type { LogRecord } from '../logs/log-record';
import { LineAssembler } from './line-assembler';
import { detailsText, logAttributes } from './log-attributes';
import { checkLogConfig, chosenLogConfig, monitorLogCap } from './log-drivers';

describe('log options', () => {
  const check = (Type: string, Config: Record<string, string>) => checkLogConfig({ Type, Config });

  it('choose the driver: local, or dockerd’s own default where only options are given', () => {
    expect(chosenLogConfig(null)).toEqual({ Type: 'local', Config: {} });
    expect(chosenLogConfig({ Config: { 'max-size': '1m' } })).toMatchObject({ Type: 'json-file' });
    expect(chosenLogConfig({ Type: 'none' })).toEqual({ Type: 'none', Config: {} });
  });

  it('of the engine go with the driver of the engine', () => {
    const defaults = { driver: 'local', options: { 'max-size': '1m', compress: 'false' } };
    expect(chosenLogConfig({ Config: { 'max-size': '2m' } }, defaults)).toEqual({
      Type: 'local',
      Config: { 'max-size': '2m', compress: 'false' },
    });
    expect(chosenLogConfig({ Type: 'json-file' }, defaults)).toEqual({ Type: 'json-file', Config: {} });
  });

  it('cap what the monitor writes', () => {
    const cap = (Type: string, Config: Record<string, string> = {}) => monitorLogCap({ Type, Config });
    expect(cap('local')).toEqual({ maxSize: 20 << 20, maxFiles: 5, compress: false });
    expect(cap('local', { 'max-size': '10k', 'max-file': '2', compress: 'true' })).toEqual({
      maxSize: 10240,
      maxFiles: 2,
      compress: true,
    });
    expect(cap('syslog')).toEqual({ maxSize: 20 << 20, maxFiles: 5, compress: false });
    expect(cap('syslog', { 'cache-max-size': '1m' }).maxSize).toBe(1 << 20);
    expect(cap('json-file', { 'max-size': '1k' }).maxFiles).toBe(Infinity);
  });

  it.each([
    ['nope', {}, 'error looking up logging plugin nope: plugin "nope" not found'],
    ['json-file', { x: '1' }, "unknown log opt 'x' for json-file log driver"],
    ['local', { labels: 'a' }, "unknown log opt 'labels' for log driver local"],
    ['none', { x: '1' }, 'invalid logging opts for driver none'],
    ['json-file', { 'max-size': 'big' }, "invalid size: 'big'"],
    ['json-file', { 'max-size': '0' }, 'max-size must be a positive number'],
    ['json-file', { 'max-file': '0' }, 'max-file cannot be less than 1'],
    ['json-file', { 'max-file': 'x' }, 'strconv.Atoi: parsing "x": invalid syntax'],
    [
      'json-file',
      { compress: 'true' },
      'compress cannot be true when max-file is less than 2 or max-size is not set',
    ],
    ['json-file', { 'labels-regex': '[' }, 'error parsing regexp: missing closing ]: `[`'],
    ['json-file', { tag: '{{.Nope}}' }, "can't evaluate field Nope in type *logger.Info"],
    ['json-file', { tag: '{{' }, 'template: log-tag:1: unclosed action'],
    ['json-file', { mode: 'weird' }, 'logger: logging mode not supported: weird'],
    [
      'json-file',
      { 'max-buffer-size': '4m' },
      "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
    ],
    ['local', { 'max-size': 'big' }, "invalid value for max-size: big: invalid size: 'big'"],
    ['syslog', { 'syslog-address': 'foo' }, 'syslog-address should be in form proto://address, got foo'],
    ['syslog', { 'syslog-facility': '24' }, 'invalid syslog facility'],
    ['syslog', { 'syslog-format': 'x' }, 'Invalid syslog format'],
    ['syslog', { 'syslog-address': 'unix:///nope' }, 'stat /nope: no such file or directory'],
    ['syslog', { 'syslog-address': 'udp://1:2:3' }, 'address 1:2:3: too many colons in address'],
    ['syslog', { 'cache-disabled': 'x' }, 'invalid value for option cache-disabled: x'],
    ['gelf', {}, 'gelf-address is a required parameter'],
    [
      'gelf',
      { 'gelf-address': 'tcp://1:1', 'gelf-compression-type': 'gzip' },
      'compression is only supported on UDP',
    ],
    [
      'gelf',
      { 'gelf-address': 'udp://1:1', 'gelf-tcp-max-reconnect': '1' },
      '"gelf-tcp-max-reconnect" is only valid for TCP',
    ],
    ['fluentd', { 'fluentd-async': 'x' }, 'strconv.ParseBool: parsing "x": invalid syntax'],
    ['fluentd', { 'fluentd-retry-wait': 'x' }, 'time: invalid duration "x"'],
    [
      'fluentd',
      { 'fluentd-address': 'http://x' },
      'invalid fluentd-address http://x: strconv.Atoi: parsing "//x"',
    ],
    ['journald', { x: '1' }, "unknown log opt 'x' for journald log driver"],
  ])('%s %j: %s', (type, options, message) =>
    expect(() => check(type, options as unknown as Record<string, string>)).toThrow(message),
  );

  it('mark lines with labels, variables and a tag', () => {
    const record = {
      id: 'abcdef0123456789',
      name: 'web',
      config: { Labels: { a: '1', cz: '2', other: '3' }, Env: ['X=x y', 'Y'] },
      hostConfig: {
        LogConfig: { Config: { labels: 'a', 'labels-regex': '^c', env: 'X,Y', tag: '{{.Name}}/{{ .ID }}' } },
      },
    } as unknown as ContainerRecord;
    expect(detailsText(logAttributes(record))).toBe('X=x%20y,a=1,cz=2,tag=web%2Fabcdef012345');
  });
});

describe('LineAssembler', () => {
  const record = (text: string, endsLine = true, time = 't1'): LogRecord => ({
    time,
    stream: 'stdout',
    endsLine,
    text: Buffer.from(text),
  });
  const show = (lines: Iterable<{ text: Buffer; endsLine: boolean; part?: object }>) =>
    [...lines].map(({ text, endsLine, part }) => ({ length: text.length, endsLine, part }));

  it('joins parts, over a restart of the service too', () => {
    const first = new LineAssembler();
    expect([...first.push(record('ab', false))]).toEqual([]);
    const next = new LineAssembler(first.held());
    expect([...next.push(record('cd', true, 't2'))].map(({ text, time }) => [text.toString(), time])).toEqual(
      [['abcd', 't2']],
    );
    expect(next.isEmpty('stdout')).toBe(true);
  });

  it('cuts a long line at 16 KiB, and gives its end without a newline at the end of the run', () => {
    const assembler = new LineAssembler();
    expect(show(assembler.push(record('x'.repeat(40_000))))).toEqual([
      { length: 16_384, endsLine: false, part: { line: 1, ordinal: 1, last: false } },
      { length: 16_384, endsLine: false, part: { line: 1, ordinal: 2, last: false } },
      { length: 7_232, endsLine: true, part: { line: 1, ordinal: 3, last: true } },
    ]);
    expect(show(assembler.push(record('no newline', false)))).toEqual([]);
    expect(show(assembler.end())).toEqual([{ length: 10, endsLine: false, part: undefined }]);
  });
});
