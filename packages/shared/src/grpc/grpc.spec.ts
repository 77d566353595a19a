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
  let address: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'grpc-'));
    address = `unix://${join(dir, 's.sock')}`;
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

  it('answers unary calls whatever clients do with their streams', async () => {
    const crowded = new ServiceChannel('exec-service', address);
    const service = crowded.client<ExecServiceServer>(ExecServiceService);
    const calls = Array.from({ length: 1_200 }, () => service.start());
    for (const call of calls) call.on('error', () => {}).write({ message: undefined });
    await service.create({ container: 'c1', config: toJson({}).json });
    // Nobody has read, and all leave at once: the server takes that for an attack, and closes their connection.
    for (const call of calls) call.cancel();
    for (let asked = 0; asked < 20; asked++) {
      await service.create({ container: `c${asked}`, config: toJson({}).json });
      await new Promise((resolve) => setImmediate(resolve));
    }
    crowded.close();
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

  it('waits for a service that is not there yet', async () => {
    const address = `unix://${join(dir, 'late.sock')}`;
    const early = new ServiceChannel('exec-service', address);
    const answer = early
      .client<ExecServiceServer>(ExecServiceService)
      .create({ container: 'c2', config: toJson({}).json });
    const stream = early.client<ExecServiceServer>(ExecServiceService).start();
    const streamed = (async () => {
      for await (const message of messages(early, stream)) return message;
      return undefined;
    })();
    // By then it has found nobody there.
    await early.connected(200);
    const late = new GrpcServer(address, undefined, [
      registration<ExecServiceServer>(ExecServiceService, exec),
    ]);
    await late.listen();
    await expect(answer).resolves.toEqual({ id: 'exec-of-c2' });
    await expect(streamed).resolves.toMatchObject({ message: { $case: 'started' } });
    early.close();
    await late.close(100);
  });
});
