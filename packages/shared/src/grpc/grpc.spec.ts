import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExecServiceService, type ExecServiceServer } from '@gantry/proto/container';
import { notFound } from '../errors';
import {
  GrpcServer,
  incoming,
  messages,
  registration,
  ServiceChannel,
  toJson,
  writeMessage,
  type CallSettings,
  type Implementation,
} from './index';

const exec: Implementation<ExecServiceServer> = {
  create: async (request) => ({ id: `exec-of-${request.container}` }),
  inspect: async () => {
    throw notFound('No such exec instance: x');
  },
  resize: async () => ({}),
  start: async (call) => {
    await writeMessage(call, { message: { $case: 'started', value: { tty: false } } });
    for await (const request of incoming(call)) {
      if (request.message?.$case === 'start' && request.message.value.execId === 'gone') {
        throw notFound('No such exec instance: gone');
      }
      const { message } = request as { message?: { $case: string; value: unknown } };
      if (message?.$case === 'stdin') {
        await writeMessage(call, {
          message: { $case: 'output', value: { stream: 1, data: message.value as Buffer } },
        });
      }
    }
  },
};

describe('gRPC wiring', () => {
  let dir: string;
  let server: GrpcServer;
  let channel: ServiceChannel;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'grpc-'));
    const address = `unix://${join(dir, 's.sock')}`;
    server = new GrpcServer(address, undefined, [registration<ExecServiceServer>(ExecServiceService, exec)]);
    await server.listen();
    channel = new ServiceChannel('exec-service', address);
  });

  afterAll(async () => {
    channel.close();
    await server.close(100);
    rmSync(dir, { recursive: true });
  });

  const client = () => channel.client<ExecServiceServer>(ExecServiceService);

  it('answers a unary call', async () => {
    await expect(client().create({ container: 'c1', config: toJson({}).json })).resolves.toEqual({
      id: 'exec-of-c1',
    });
  });

  it('carries an EngineError', async () => {
    await expect(client().inspect({ execId: 'x' })).rejects.toMatchObject({
      kind: 'NotFound',
      message: 'No such exec instance: x',
    });
  });

  it('streams both ways and ends when the input ends', async () => {
    const call = client().start();
    call.write({
      message: { $case: 'start', value: { execId: 'x', detach: false, tty: false, consoleSize: undefined } },
    });
    call.write({ message: { $case: 'stdin', value: Buffer.from('hello') } });
    call.end();
    const got = [];
    for await (const message of messages(channel, call)) got.push(message.message?.$case);
    expect(got).toEqual(['started', 'output']);
  });

  it('carries an EngineError on a stream', async () => {
    const call = client().start();
    call.write({
      message: {
        $case: 'start',
        value: { execId: 'gone', detach: false, tty: false, consoleSize: undefined },
      },
    });
    const read = async () => {
      for await (const message of messages(channel, call)) expect(message.message?.$case).toBe('started');
    };
    await expect(read()).rejects.toMatchObject({ kind: 'NotFound', message: 'No such exec instance: gone' });
  });

  describe('calls on one stream', () => {
    const asked: string[] = [];
    const arrivals = new EventEmitter();
    let release: () => void;
    let held: Promise<void>;
    let gone: Promise<void>;
    let left: () => void;

    beforeEach(() => {
      held = new Promise((resolve) => (release = resolve));
      gone = new Promise((resolve) => (left = resolve));
    });

    const slow: Implementation<ExecServiceServer> = {
      ...exec,
      create: async ({ container }, { signal }) => {
        asked.push(container);
        arrivals.emit(container);
        signal.addEventListener('abort', left);
        if (container.startsWith('slow')) await held;
        return { id: container };
      },
    };
    const start = async (name: string) => {
      const address = `unix://${join(dir, name)}`;
      const at = async () => {
        const started = new GrpcServer(address, undefined, [
          registration<ExecServiceServer>(ExecServiceService, slow),
        ]);
        await started.listen();
        return started;
      };
      const to = new ServiceChannel('exec-service', address);
      const ask = (container: string, settings?: CallSettings) =>
        to
          .client<ExecServiceServer>(ExecServiceService)
          .create({ container, config: toJson({}).json }, settings);
      return { at, to, ask };
    };

    it('a slow call does not hold up the others', async () => {
      const { at, to, ask } = await start('slow.sock');
      const service = await at();
      const first = ask('slow');
      await expect(ask('quick')).resolves.toEqual({ id: 'quick' });
      release();
      await expect(first).resolves.toEqual({ id: 'slow' });
      to.close();
      await service.close(100);
    });

    it('the method hears that its caller is gone, and the next call works', async () => {
      const { at, to, ask } = await start('gone.sock');
      const service = await at();
      const caller = new AbortController();
      const arrival = once(arrivals, 'slow-gone');
      const call = ask('slow-gone', { signal: caller.signal });
      await arrival;
      caller.abort();
      await expect(call).rejects.toMatchObject({ kind: 'Unavailable', message: 'request cancelled' });
      await gone;
      await expect(ask('next')).resolves.toEqual({ id: 'next' });
      await expect(ask('slow', { deadlineMs: 20 })).rejects.toMatchObject({
        kind: 'Unavailable',
        message: 'exec-service is not reachable: Deadline exceeded',
      });
      to.close();
      await service.close(100);
    });

    it('a server that stops answers what it began, and its next life what it did not', async () => {
      const { at, to, ask } = await start('restart.sock');
      const service = await at();
      const arrival = once(arrivals, 'slow-begun');
      const begun = ask('slow-begun');
      await arrival;
      const closed = service.close(5_000);
      const late = ask('late');
      release();
      await expect(begun).resolves.toEqual({ id: 'slow-begun' });
      await closed;
      const next = await at();
      await expect(late).resolves.toEqual({ id: 'late' });
      expect(asked.filter((container) => container === 'late')).toHaveLength(1);
      to.close();
      await next.close(100);
    });

    it('a server that is gone fails what waits', async () => {
      const { at, to, ask } = await start('killed.sock');
      const service = await at();
      const arrival = once(arrivals, 'slow-killed');
      const call = ask('slow-killed');
      await arrival;
      const failed = expect(call).rejects.toMatchObject({ kind: 'Unavailable' });
      await service.close(1);
      await failed;
      const next = await at();
      await expect(ask('again')).resolves.toEqual({ id: 'again' });
      to.close();
      await next.close(100);
    });
  });

  it('waits for a service that is not there yet', async () => {
    const address = `unix://${join(dir, 'late.sock')}`;
    const early = new ServiceChannel('exec-service', address);
    const answer = early
      .client<ExecServiceServer>(ExecServiceService)
      .create({ container: 'c2', config: toJson({}).json });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const late = new GrpcServer(address, undefined, [
      registration<ExecServiceServer>(ExecServiceService, exec),
    ]);
    await late.listen();
    await expect(answer).resolves.toEqual({ id: 'exec-of-c2' });
    early.close();
    await late.close(100);
  });
});
