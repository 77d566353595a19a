import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { StdStream, type JsonDocument } from '@gantry/proto/common';
import type {
  AttachRequest,
  AttachResponse,
  AttachStart,
  LogsRequest,
  LogsResponse,
  StatsRequest,
} from '@gantry/proto/container';
import { fromJson } from '@gantry/shared/grpc';
import { AttachService } from './attach/attach.service';
import { ContainerStreams } from './attach/container-streams';
import { HealthMonitor } from './health/health-monitor';
import { HealthProbe } from './health/health-probe';
import { LogDeliveries } from './log-drivers/log-deliveries';
import { LogHolds } from './logs/log-holds';
import { LogRotation } from './logs/log-rotation';
import { LogsService } from './logs/logs.service';
import { StatsSampler } from './stats/stats-sampler';
import { StatsService } from './stats/stats.service';
import { TopService } from './stats/top.service';
import type { ContainerRecord } from './records/container-record';
import { FakeCall, RealContainers, type RunOptions } from './running-container.fixture';

const needed = ['/usr/bin/conmon', '/usr/bin/crun', '/bin/busybox'];
const usable = process.getuid?.() === 0 && needed.every((path) => existsSync(path));
const withContainers = usable ? describe : describe.skip;

withContainers('streams of real containers (root, conmon, crun, busybox)', () => {
  let real: RealContainers;
  let attach: AttachService;
  let logs: LogsService;
  beforeAll(() => {
    real = new RealContainers();
    const holds = new LogHolds();
    const rotation = new LogRotation(real.paths, holds, real.lifecycle, real.logger);
    const deliveries = new LogDeliveries(real.linux, real.paths, holds, real.lifecycle, real.logger);
    logs = new LogsService(real.store, rotation, deliveries, real.lifecycle);
    const streams = new ContainerStreams(real.linux, real.paths, real.lifecycle);
    attach = new AttachService(
      real.store,
      streams,
      logs,
      deliveries,
      holds,
      rotation,
      real.containerEvents,
      real.paths,
    );
  });
  afterAll(() => real.close());
  beforeEach(() => void (real.events.length = 0));

  const bytesOf = (heard: (AttachResponse | LogsResponse)[], stream = StdStream.STD_STREAM_STDOUT): Buffer =>
    Buffer.concat(
      heard.flatMap(({ message }) =>
        message?.$case === 'output' && message.value.stream === stream ? [message.value.data] : [],
      ),
    );
  const textOf = (heard: (AttachResponse | LogsResponse)[], stream?: StdStream) =>
    bytesOf(heard, stream).toString();
  const started = (heard: AttachResponse[]) => heard[0]?.message?.$case === 'started';

  const attached = async (record: ContainerRecord, options: Partial<AttachStart> = {}) => {
    const call = new FakeCall<AttachRequest, AttachResponse>();
    const value = {
      container: record.id,
      stdin: false,
      stdout: true,
      stderr: true,
      logs: false,
      stream: true,
      detachKeys: '',
      ...options,
    };
    call.say({ message: { $case: 'start', value } });
    const done = attach.attach(call.duplex);
    await Promise.race([call.until(started), done]);
    return { call, done };
  };

  /** In one answer there is what the stream says, or nothing where it is long. */
  const expectTheSameShort = async (request: LogsRequest, heard: LogsResponse[]) => {
    const { complete, output } = await logs.shortLogs(request);
    for (const stream of [StdStream.STD_STREAM_STDOUT, StdStream.STD_STREAM_STDERR]) {
      const streamed = bytesOf(heard, stream);
      const short = Buffer.concat(output.filter((each) => each.stream === stream).map(({ data }) => data));
      if (complete) expect(short.equals(streamed)).toBe(true);
      else expect(output).toEqual([]);
    }
    if (bytesOf(heard).length > 64 * 1024) expect(complete).toBe(false);
  };

  const readLogs = async (record: ContainerRecord, options: Partial<LogsRequest> = {}) => {
    const call = new FakeCall<LogsRequest, LogsResponse>();
    call.request = {
      container: record.id,
      follow: false,
      stdout: true,
      stderr: true,
      since: '',
      until: '',
      timestamps: false,
      details: false,
      tail: 'all',
      ...options,
    };
    await logs.logs(call.serverStream);
    if (!call.request.follow) await expectTheSameShort(call.request, call.heard);
    return call.heard;
  };

  const finished = async (options: RunOptions) => {
    const record = await real.run(options);
    await real.exited(record);
    return record;
  };

  describe('attach', () => {
    it('before the start gets every byte of both streams, and ends with the container', async () => {
      for (let round = 0; round < 5; round++) {
        const record = real.add({ args: ['sh', '-c', 'echo out; echo err >&2; printf end'] });
        const { call, done } = await attached(record);
        await real.start(record);
        await done;
        expect(textOf(call.heard)).toBe('out\nend');
        expect(textOf(call.heard, StdStream.STD_STREAM_STDERR)).toBe('err\n');
        await real.exited(record);
      }
      expect(real.events).toContain('attach');
    });

    it('moves 4 MiB out and 1 MiB in, exactly', async () => {
      const record = real.add({
        args: ['sh', '-c', 'md5sum; seq 600000 | head -c 4194304'],
        stdin: true,
        stdinOnce: true,
      });
      const { call, done } = await attached(record, { stdin: true });
      await real.start(record);
      const input = randomBytes(1 << 20);
      const began = performance.now();
      for (let at = 0; at < input.length; at += 65536) {
        call.say({ message: { $case: 'stdin', value: input.subarray(at, at + 65536) } });
      }
      call.finish();
      await done;
      const output = bytesOf(call.heard);
      const sum = `${createHash('md5').update(input).digest('hex')}  -\n`;
      expect(output.subarray(0, sum.length).toString()).toBe(sum);
      const expected = Array.from({ length: 600000 }, (_, index) => `${index + 1}\n`)
        .join('')
        .slice(0, 4194304);
      expect(output.subarray(sum.length).equals(Buffer.from(expected))).toBe(true);
      expect(performance.now() - began).toBeLessThan(10_000);
    }, 30_000);

    it('of two clients to a running container gives both the same', async () => {
      const record = await real.run({ args: ['sh', '-c', 'read x; echo got $x'], stdin: true });
      const first = await attached(record);
      const second = await attached(record, { stdin: true });
      second.call.say({ message: { $case: 'stdin', value: Buffer.from('word\n') } });
      await Promise.all([first.done, second.done]);
      expect([textOf(first.call.heard), textOf(second.call.heard)]).toEqual(['got word\n', 'got word\n']);
    });

    it('with a terminal stops at the detach keys, and the container goes on', async () => {
      const record = await real.run({ args: ['cat'], tty: true, stdin: true, stdinOnce: true });
      const { call, done } = await attached(record, { stdin: true });
      call.say({ message: { $case: 'stdin', value: Buffer.from('hi\n') } });
      await call.until((heard) => textOf(heard).includes('hi\r\nhi\r\n'));
      call.say({ message: { $case: 'stdin', value: Buffer.from('\x10\x11') } });
      await done;
      expect(real.events).toContain('detach');
      expect(record.state.Running).toBe(true);
      const again = await attached(record, { stdin: true, logs: true });
      again.call.say({ message: { $case: 'stdin', value: Buffer.from('more\n') } });
      await again.call.until((heard) => textOf(heard).includes('more\r\nmore\r\n'));
      expect(textOf(again.call.heard)).toContain('hi\r\nhi\r\n');
      again.call.leave();
      real.kill(record);
      await again.done;
    });

    it('gives the terminal its size', async () => {
      const record = await real.run({ args: ['sh', '-c', 'read x; stty size'], tty: true, stdin: true });
      const { call, done } = await attached(record, { stdin: true });
      await attach.resize({ target: record.name, size: { rows: 33, columns: 101 } });
      expect(real.events).toContain('resize');
      await new Promise((resolve) => setTimeout(resolve, 50)); // the monitor acts on it, and does not say when
      call.say({ message: { $case: 'stdin', value: Buffer.from('\n') } });
      await done;
      expect(textOf(call.heard)).toContain('33 101');
      await real.exited(record);
      await expect(attach.resize({ target: record.name, size: undefined })).rejects.toThrow('is not running');
    });

    it("refuses a paused container and bad keys in dockerd's words", async () => {
      const record = real.add({ args: ['true'] });
      await expect(attached(record, { detachKeys: 'ctrl-' }).then(({ done }) => done)).rejects.toThrow(
        'Invalid detach keys (ctrl-) provided',
      );
      record.state.Paused = true;
      await expect(attached(record).then(({ done }) => done)).rejects.toThrow(
        'is paused, unpause the container before attach',
      );
      record.state.Paused = false;
    });
  });

  describe('logs', () => {
    it('are one answer where they are short', async () => {
      const record = await finished({ args: ['seq', '30000'] });
      const complete = async (tail: string) => {
        const call = {
          container: record.id,
          follow: false,
          stdout: true,
          stderr: true,
          since: '',
          until: '',
        };
        return (await logs.shortLogs({ ...call, timestamps: false, details: false, tail })).complete;
      };
      expect(await Promise.all(['5', '1000', '1001', 'all'].map(complete))).toEqual([
        true,
        true,
        false,
        false,
      ]);
      expect(textOf(await readLogs(record, { tail: '2' }))).toBe('29999\n30000\n');
      expect(bytesOf(await readLogs(record))).toHaveLength(168_894);
    });

    it('are what was written, by stream', async () => {
      const record = await finished({ args: ['sh', '-c', 'echo o; echo e >&2; printf "no newline"'] });
      const heard = await readLogs(record);
      expect(textOf(heard)).toBe('o\nno newline');
      expect(textOf(heard, StdStream.STD_STREAM_STDERR)).toBe('e\n');
    });

    it('keep a line of 40,000 bytes whole', async () => {
      const record = await finished({ args: ['sh', '-c', 'head -c 40000 /dev/zero | tr "\\0" a; echo'] });
      expect(textOf(await readLogs(record))).toBe(`${'a'.repeat(40000)}\n`);
    });

    it("are followed to the container's last line", async () => {
      const record = await real.run({ args: ['sh', '-c', 'for i in 1 2 3; do echo l$i; sleep .1; done'] });
      expect(textOf(await readLogs(record, { follow: true }))).toBe('l1\nl2\nl3\n');
    });

    it('stay within max-size, and keep the end', async () => {
      const log = { Type: 'json-file', Config: { 'max-size': '10k', 'max-file': '2' } };
      const record = await finished({ args: ['seq', '3000'], log });
      const lines = textOf(await readLogs(record))
        .trim()
        .split('\n');
      expect(lines.at(-1)).toBe('3000');
      expect(lines.length).toBeLessThan(1000);
      expect(lines.length).toBeGreaterThan(100);
      expect(lines).toEqual(
        Array.from({ length: lines.length }, (_, index) => String(3001 - lines.length + index)),
      );
    });

    it('are followed through rotations without a gap', async () => {
      const log = { Type: 'json-file', Config: { 'max-size': '20k', 'max-file': '3' } };
      const record = await real.run({
        args: ['sh', '-c', 'for i in $(seq 40); do seq 100; sleep .01; done'],
        log,
      });
      const text = textOf(await readLogs(record, { follow: true }));
      const expected = Array.from({ length: 100 }, (_, index) => `${index + 1}\n`)
        .join('')
        .repeat(40);
      expect(text).toBe(expected);
    });

    it('of the driver none cannot be read', async () => {
      const record = await finished({ args: ['echo', 'x'], log: { Type: 'none', Config: {} } });
      await expect(readLogs(record)).rejects.toThrow('configured logging driver does not support reading');
    });
  });

  describe('stats and top', () => {
    it('show what a running container does', async () => {
      const record = await real.run({ args: ['sh', '-c', 'while :; do :; done'] });
      const stats = new StatsService(real.linux, real.store, new StatsSampler(real.linux), real.lifecycle);
      const call = new FakeCall<StatsRequest, JsonDocument>();
      call.request = { container: record.name, stream: false, oneShot: false };
      await stats.stats(call.serverStream);
      const document = fromJson<Record<string, { [field: string]: number }>>(call.heard[0] as JsonDocument);
      const used = (field: string) =>
        (document[field]?.['cpu_usage'] as unknown as { total_usage: number }).total_usage;
      expect(used('cpu_stats') - used('precpu_stats')).toBeGreaterThan(50_000_000);
      expect(document['memory_stats']?.['usage']).toBeGreaterThan(0);
      expect(document['pids_stats']?.['current']).toBe(1);
      const top = new TopService(real.linux, real.store, real.containerEvents);
      const table = fromJson<{ Processes: string[][] }>(await top.top({ container: record.id, psArgs: '' }));
      expect(table.Processes).toHaveLength(1);
      expect(table.Processes[0]?.at(-1)).toContain('while :');
      real.kill(record);
      await real.exited(record);
      await expect(top.top({ container: record.id, psArgs: '' })).rejects.toThrow('is not running');
    });
  });

  describe('health', () => {
    beforeAll(() => {
      const probe = new HealthProbe(real.linux, real.paths, real.runtimes);
      new HealthMonitor(real.store, probe, real.containerEvents, real.lifecycle, real.logger);
    });

    const until = async (condition: () => boolean) => {
      while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    const checked = async (Test: string[], more: object = {}) => {
      const record = real.add({ args: ['sleep', '1000'] });
      record.config.Healthcheck = { Test, Interval: 5e7, Retries: 2, ...more };
      record.state.StartedAt = new Date().toISOString();
      await real.start(record);
      expect(record.state.Health?.Status).toBe('starting');
      await until(() => record.state.Health?.Status !== 'starting');
      real.kill(record);
      return record.state.Health;
    };

    it('is healthy when the check succeeds', async () => {
      const health = await checked(['CMD', 'echo', 'fine']);
      expect(health?.Log?.[0]).toMatchObject({ ExitCode: 0, Output: 'fine\n' });
      expect(real.events).toContain('health_status: healthy');
    });

    it('is unhealthy when it fails, or takes too long', async () => {
      const failed = await checked(['CMD-SHELL', 'echo bad; exit 1']);
      expect(failed).toMatchObject({ FailingStreak: 2, Log: [{ ExitCode: 1, Output: 'bad\n' }, {}] });
      const slow = await checked(['CMD-SHELL', 'sleep 9; true'], { Timeout: 2e8, Retries: 1 });
      expect(slow?.Log?.[0]).toMatchObject({ ExitCode: -1, Output: 'Health check exceeded timeout (200ms)' });
    });
  });
});
