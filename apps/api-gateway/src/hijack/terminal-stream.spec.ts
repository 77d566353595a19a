import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { AttachRequest, AttachResponse, StartExecRequest } from '@gantry/proto/container';
import { conflict, notFound, unavailable } from '@gantry/shared/errors';
import { incoming, writeMessage } from '@gantry/shared/grpc';
import { GatewayFixture, splitHead } from '../gateway.fixture';

type Call = ServerDuplexStream<AttachRequest | StartExecRequest, AttachResponse>;

const started = (tty: boolean): AttachResponse => ({ message: { $case: 'started', value: { tty } } });
const output = (stream: number, data: Buffer | string): AttachResponse => ({
  message: { $case: 'output', value: { stream, data: Buffer.from(data) } },
});
const frame = (stream: number, text: string): string =>
  String.fromCharCode(stream, 0, 0, 0, 0, 0, 0, text.length) + text;

const BIG_PIECE = Buffer.alloc(64 * 1024, 'x');
const BIG_PIECES = 1_000;

/** What the fake service saw. */
const seen = { stdin: '', pieces: 0, cancelled: 0, start: undefined as unknown };
const whenCancelled: (() => void)[] = [];

/** Containers are named for what they do. */
async function behave(name: string, call: Call): Promise<void> {
  call.on('cancelled', () => {
    seen.cancelled++;
    whenCancelled.splice(0).forEach((resolve) => resolve());
  });
  if (name === 'missing') throw notFound('No such container: missing');
  if (name === 'paused') throw conflict('Container paused is paused, unpause the container before exec');
  await writeMessage(call, started(name.startsWith('tty')));
  if (name === 'talker') {
    await writeMessage(call, output(1, 'out'));
    await writeMessage(call, output(2, 'err'));
    return;
  }
  if (name === 'flood') {
    for (let i = 0; i < BIG_PIECES; i++) {
      if (!(await writeMessage(call, output(1, BIG_PIECE)))) return;
      seen.pieces = i + 1;
    }
    return;
  }
  if (name === 'ends-soon') return;
  if (name === 'breaks-off') throw unavailable('container-service is away');
  for await (const request of incoming<AttachRequest>(call as never)) {
    if (request.message?.$case !== 'stdin') continue;
    seen.stdin += request.message.value.toString();
    if (name !== 'sink') await writeMessage(call, output(1, request.message.value));
  }
  await writeMessage(call, output(1, 'bye'));
}

async function firstOf(call: Call): Promise<AttachRequest | StartExecRequest> {
  return new Promise((resolve) => {
    call.once('data', (request: AttachRequest) => {
      call.pause();
      resolve(request);
    });
  });
}

describe('hijacked streams', () => {
  let gateway: GatewayFixture;

  beforeAll(async () => {
    gateway = await GatewayFixture.start({
      containers: {
        attach: async (call) => {
          const { message } = await firstOf(call as Call);
          seen.start = message?.value;
          await behave((message?.value as { container: string }).container, call as Call);
        },
      },
      execs: {
        start: async (call) => {
          const { message } = await firstOf(call as Call);
          const start = message?.value as { execId: string; detach: boolean };
          seen.start = start;
          if (start.detach) await writeMessage(call, started(false));
          else await behave(start.execId, call as Call);
        },
      },
    });
  });
  afterAll(() => gateway.stop());
  beforeEach(() => {
    Object.assign(seen, { stdin: '', pieces: 0, cancelled: 0, start: undefined });
  });

  const attach = (container: string, more = '', version = 'v1.50') =>
    `POST /${version}/containers/${container}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: d\r\n${more}\r\n`;
  const UPGRADE = 'Connection: Upgrade\r\nUpgrade: tcp\r\n';

  it('upgrades, frames both streams and hangs up at the end', async () => {
    const client = gateway.raw();
    client.send(attach('talker', UPGRADE));
    const { head, body } = splitHead(await client.end());
    expect(head.split('\r\n').slice(0, 4)).toEqual([
      'HTTP/1.1 101 UPGRADED',
      'Content-Type: application/vnd.docker.multiplexed-stream',
      'Connection: Upgrade',
      'Upgrade: tcp',
    ]);
    expect(head).toContain('Api-Version: 1.56');
    expect(body).toBe(frame(1, 'out') + frame(2, 'err'));
    expect(seen.start).toMatchObject({
      container: 'talker',
      stdin: true,
      stdout: true,
      stream: true,
      logs: false,
    });
  });

  it('tells a stream that broke off from one that ended', async () => {
    const client = gateway.raw();
    client.send(attach('breaks-off', UPGRADE));
    expect(splitHead(await client.end()).body).toBe(frame(3, 'container-service is away'));
  });

  it('answers 200 to a client that asks for no upgrade', async () => {
    const client = gateway.raw();
    client.send(attach('talker'));
    const { head, body } = splitHead(await client.end());
    expect(head.split('\r\n')[0]).toBe('HTTP/1.1 200 OK');
    expect(head).not.toContain('Upgrade');
    expect(body).toBe(frame(1, 'out') + frame(2, 'err'));
  });

  it('is raw with a terminal, and says raw to old clients', async () => {
    const terminal = gateway.raw();
    terminal.send(attach('tty', UPGRADE));
    await terminal.until((text) => text.includes('\r\n\r\n'));
    terminal.send('hello');
    await terminal.until((text) => text.endsWith('hello'));
    terminal.socket.end();
    const { head, body } = splitHead(await terminal.end());
    expect(head).toContain('Content-Type: application/vnd.docker.raw-stream');
    expect(body).toBe('hellobye');

    const old = gateway.raw();
    old.send(attach('talker', UPGRADE, 'v1.41'));
    expect(splitHead(await old.end()).head).toContain('Content-Type: application/vnd.docker.raw-stream');
  });

  it.each(['upgrade', 'plain'])('ends stdin at half-close while output goes on (%s)', async (mode) => {
    const client = gateway.raw();
    client.send(attach('cat', mode === 'upgrade' ? UPGRADE : ''));
    await client.until((text) => text.includes('\r\n\r\n'));
    client.send('one');
    await client.until((text) => text.endsWith('one'));
    client.socket.end();
    expect(splitHead(await client.end()).body).toBe(frame(1, 'one') + frame(1, 'bye'));
    expect(seen.stdin).toBe('one');
  });

  it('loses no stdin that came in the same segment as the request', async () => {
    const client = gateway.raw();
    client.send(`${attach('cat', UPGRADE)}early`);
    await client.until((text) => text.endsWith('early'));
    client.socket.end();
    await client.end();
    expect(seen.stdin).toBe('early');
  });

  it('starts an exec: JSON body and early stdin in one segment', async () => {
    const body = JSON.stringify({ Detach: false, Tty: true, ConsoleSize: [24, 80] });
    const client = gateway.raw();
    client.send(
      `POST /v1.50/exec/tty-exec/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n${UPGRADE}\r\n${body}early`,
    );
    await client.until((text) => text.endsWith('early'));
    client.socket.end();
    expect(splitHead(await client.end()).body).toBe('earlybye');
    expect(seen.start).toMatchObject({
      execId: 'tty-exec',
      tty: true,
      consoleSize: { rows: 24, columns: 80 },
    });
  });

  it('starts an exec whose body comes late, and one without upgrade', async () => {
    for (const more of [UPGRADE, '']) {
      const client = gateway.raw();
      client.send(
        'POST /exec/talker/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n' +
          `Content-Length: 2\r\n${more}\r\n{`,
      );
      await new Promise((resolve) => setImmediate(resolve));
      client.send('}');
      expect(splitHead(await client.end()).body).toBe(frame(1, 'out') + frame(2, 'err'));
    }
  });

  it('answers a detached exec with an empty 200', async () => {
    const answer = await gateway.ask('POST', '/exec/abc/start', { Detach: true });
    expect(answer).toMatchObject({ status: 200, body: '' });
    expect(answer.headers).toMatchObject({ 'content-length': '0' });
    expect(seen.start).toMatchObject({ execId: 'abc', detach: true });
  });

  it.each([UPGRADE, ''])('answers an error before the stream in the ordinary way', async (more) => {
    const client = gateway.raw();
    client.send(attach('missing', more));
    const { head, body } = splitHead(await client.end());
    expect(head.split('\r\n')[0]).toBe('HTTP/1.1 404 Not Found');
    expect(head).toContain('Content-Type: application/json');
    expect(JSON.parse(body)).toEqual({ message: 'No such container: missing' });
  });

  it('maps a conflict of exec start', async () => {
    const answer = await gateway.ask('POST', '/exec/paused/start', {});
    expect(answer.status).toBe(409);
    expect(JSON.parse(answer.body).message).toContain('is paused');
  });

  it('cancels the call when the client goes away', async () => {
    const gone = new Promise<void>((resolve) => whenCancelled.push(resolve));
    const client = gateway.raw();
    client.send(attach('cat', UPGRADE));
    await client.until((text) => text.includes('\r\n\r\n'));
    client.socket.destroy();
    await gone;
    expect(seen.cancelled).toBe(1);
  });

  it('holds the service back while the client does not read, and loses nothing', async () => {
    const client = gateway.raw();
    client.socket.pause();
    client.send(attach('flood', UPGRADE));
    let last = -1;
    while (seen.pieces === 0 || seen.pieces !== last) {
      last = seen.pieces;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(seen.pieces).toBeLessThan(BIG_PIECES / 4);
    let received = 0;
    client.socket.removeAllListeners('data');
    client.socket.on('data', (chunk: Buffer) => (received += chunk.length));
    client.socket.resume();
    await client.end();
    expect(seen.pieces).toBe(BIG_PIECES);
    expect(received).toBeGreaterThanOrEqual(BIG_PIECES * (BIG_PIECE.length + 8));
  });

  it('upgrades too where only the protocol is named', async () => {
    const client = gateway.raw();
    client.send(attach('sink', 'Upgrade: tcp\r\n'));
    await client.until((text) => text.includes('101 UPGRADED') && text.includes('\r\n\r\n'));
    client.send('abc');
    client.socket.end();
    await client.end();
    expect(seen.stdin).toBe('abc');
  });

  it('passes on a megabyte of stdin and its end', async () => {
    const client = gateway.raw();
    client.send(attach('sink', UPGRADE));
    await client.until((text) => text.includes('\r\n\r\n'));
    client.send(Buffer.alloc(1_048_577, 'y'));
    client.socket.end();
    await client.end();
    expect(seen.stdin.length).toBe(1_048_577);
  });

  it('lets a client read the output when the stream ends before stdin does', async () => {
    const client = gateway.raw();
    client.send(attach('ends-soon', UPGRADE));
    client.send(Buffer.alloc(200_000, 'z'));
    expect(splitHead(await client.end()).head).toContain('101 UPGRADED');
  });
});
