import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { createContainer, removeContainer, startContainer } from '../support/containers';
import { api, instance } from '../support/engine';
import { eventually } from '../support/eventually';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;

/** The client's end of a WebSocket, as plainly as possible: short frames, masked with zeros. */
class WebSocketClient {
  private received = Buffer.alloc(0);
  readonly closed: Promise<unknown>;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (data) => (this.received = Buffer.concat([this.received, data])));
    this.closed = once(socket, 'close');
  }

  static open(path: string): Promise<WebSocketClient> {
    return new Promise((resolve, reject) => {
      const outgoing = request({
        socketPath: instance.socket,
        path,
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        },
      });
      outgoing.once('upgrade', (incoming, socket: Socket, head) => {
        expect(incoming.headers['sec-websocket-accept']).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo='); // RFC 6455, 1.3
        if (head.length > 0) socket.unshift(head);
        resolve(new WebSocketClient(socket));
      });
      outgoing.once('response', ({ statusCode }) => reject(new Error(`answered ${statusCode}`)));
      outgoing.once('error', reject);
      outgoing.end();
    });
  }

  send(opcode: number, text = ''): void {
    this.socket.write(
      Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]),
    );
  }

  /** Payloads of the frames so far, by opcode. */
  said(opcode: number): string {
    let text = '';
    for (let at = 0; at + 2 <= this.received.length;) {
      const length = this.received[at + 1] ?? 0;
      if ((this.received[at] ?? 0) === (0x80 | opcode)) {
        text += this.received.subarray(at + 2, at + 2 + length).toString('latin1');
      }
      at += 2 + length;
    }
    return text;
  }
}

describe('attach over a WebSocket', () => {
  const made: string[] = [];
  afterAll(async () => {
    for (const id of made) await removeContainer(id);
  });

  it('carries input and raw output, and closes when the container ends', async () => {
    const id = await createContainer({
      cmd: ['sh', '-c', 'read line; echo "got $line"; echo err >&2'],
      config: { OpenStdin: true, StdinOnce: true },
    });
    made.push(id);
    const client = await WebSocketClient.open(
      `/containers/${id}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1`,
    );
    await api.post(`/containers/${id}/start`);
    client.send(TEXT, 'some ');
    client.send(BINARY, 'words\n');
    await client.closed;
    expect(client.said(BINARY).split('\n').sort()).toEqual(['', 'err', 'got some words']);
    expect(client.said(CLOSE)).toBe('\x03\xe8');
  });

  it('a client that closes leaves, and the container goes on', async () => {
    const id = await startContainer({ cmd: ['cat'], config: { Tty: true, OpenStdin: true } });
    made.push(id);
    const client = await WebSocketClient.open(`/containers/${id}/attach/ws?stream=1&stdin=1&stdout=1`);
    client.send(TEXT, 'hi\n');
    await eventually(() => expect(client.said(BINARY)).toBe('hi\r\nhi\r\n'));
    client.send(CLOSE, '\x03\xe8');
    await client.closed;
    expect(
      (await api.get<{ State: { Running: boolean } }>(`/containers/${id}/json`)).body.State.Running,
    ).toBe(true);
  });

  it('answers errors before, and who asks for none', async () => {
    await expect(WebSocketClient.open('/containers/nonesuch/attach/ws?stream=1')).rejects.toThrow('404');
    const plain = await api.get<{ message: string }>(`/containers/${made[0]}/attach/ws?stream=1`);
    expect([plain.status, plain.body.message]).toEqual([400, 'not websocket protocol']);
  });
});
