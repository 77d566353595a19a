import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExecServiceService, type ExecServiceServer } from '@gantry/proto/container';
import { GrpcServer, registration, ServiceChannel, toJson, type CallSettings } from './index';

/** What the service was asked for, in order. Each is an event too. */
const asked: string[] = [];
const arrivals = new EventEmitter();
let release: () => void;
let held: Promise<void>;

const implementation = {
  create: async ({ container }: { container: string }, { signal }: { signal: AbortSignal }) => {
    asked.push(container);
    signal.addEventListener('abort', () => arrivals.emit('left'));
    arrivals.emit(container);
    if (container.startsWith('slow')) await held;
    return { id: container };
  },
  inspect: async () => ({ json: Buffer.alloc(0) }),
  resize: async () => ({}),
  start: async () => {},
};

describe('calls on one stream', () => {
  let address: string;
  let directory: string;
  let server: GrpcServer;
  let channel: ServiceChannel;

  const serve = async (): Promise<void> => {
    server = new GrpcServer(address, undefined, [
      registration<ExecServiceServer>(ExecServiceService, implementation),
    ]);
    await server.listen();
  };
  const ask = (container: string, settings?: CallSettings): Promise<{ id: string }> =>
    channel
      .client<ExecServiceServer>(ExecServiceService)
      .create({ container, config: toJson({}).json }, settings);

  beforeEach(async () => {
    held = new Promise((resolve) => (release = resolve));
    directory = mkdtempSync(join(tmpdir(), 'calls-'));
    address = `unix://${join(directory, 's.sock')}`;
    channel = new ServiceChannel('exec-service', address);
    await serve();
  });
  afterEach(async () => {
    channel.close();
    await server.close(100);
    rmSync(directory, { recursive: true });
  });

  it('are answered in any order', async () => {
    const first = ask('slow');
    await expect(ask('quick')).resolves.toEqual({ id: 'quick' });
    release();
    await expect(first).resolves.toEqual({ id: 'slow' });
  });

  it('are ended by their callers, of which the method hears', async () => {
    const caller = new AbortController();
    const [arrival, left] = [once(arrivals, 'slow'), once(arrivals, 'left')];
    const call = ask('slow', { signal: caller.signal });
    await arrival;
    caller.abort();
    await expect(call).rejects.toMatchObject({ kind: 'Unavailable', message: 'request cancelled' });
    await left;
    await expect(ask('slow', { deadlineMs: 20 })).rejects.toMatchObject({
      kind: 'Unavailable',
      message: 'exec-service is not reachable: Deadline exceeded',
    });
    await expect(ask('next')).resolves.toEqual({ id: 'next' });
  });

  it('of a server that stops: it answers what it began, and its next life what it did not', async () => {
    const arrival = once(arrivals, 'slow');
    const begun = ask('slow');
    await arrival;
    const closed = server.close(5_000);
    const late = ask('late');
    release();
    await expect(begun).resolves.toEqual({ id: 'slow' });
    await closed;
    await serve();
    await expect(late).resolves.toEqual({ id: 'late' });
    expect(asked.filter((container) => container === 'late')).toHaveLength(1);
  });

  it('of a server that is gone fail, and the next finds its next life', async () => {
    const arrival = once(arrivals, 'slow');
    const failed = expect(ask('slow')).rejects.toMatchObject({ kind: 'Unavailable' });
    await arrival;
    await server.close(1);
    await failed;
    await serve();
    await expect(ask('again')).resolves.toEqual({ id: 'again' });
  });
});
