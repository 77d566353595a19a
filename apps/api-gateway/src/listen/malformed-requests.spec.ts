import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiListeners } from './api-listeners';
import { answerPlainHttp } from './malformed-requests';

describe('requests as few clients send them', () => {
  const directory = mkdtempSync(join(tmpdir(), 'malformed-'));
  const path = join(directory, 'docker.sock');
  const asked: string[] = [];
  /** Answers late, with what was asked; the later the shorter that is. */
  const application = async (request: IncomingMessage, response: ServerResponse) => {
    const { method, url = '', headers } = request;
    asked.push(`begin ${url}`);
    let body = '';
    for await (const chunk of request) body += String(chunk);
    await sleep(200 / url.length);
    asked.push(`end ${url}`);
    response.end(`${method} ${url} ${headers.host} ${body}`);
  };
  const listeners = new ApiListeners(
    {
      hosts: [`unix://${path}`],
      inherited: new Map(),
      socketGroup: 'nonesuch',
      allowPlainTcp: false,
      experimental: false,
    },
    (request, response) => void application(request, response).catch(() => response.destroy()),
  );
  /** Everything that comes back to `text`, after which the client's side ends. */
  const ask = async (text: string) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.end(text);
    let all = '';
    for await (const chunk of socket) all += String(chunk);
    return all;
  };
  const statusAndBody = (answer: string) => [answer.slice(9, 12), answer.split('\r\n\r\n').at(-1)];

  beforeAll(() => listeners.open());
  beforeEach(() => void (asked.length = 0));
  afterAll(async () => {
    await listeners.close(50);
    rmSync(directory, { recursive: true });
  });

  it.each([
    ['GET /info HTTP/1.0\r\n\r\n\n', 'GET /info undefined '],
    ['GET /info HTTP/1.0\r\n\n', 'GET /info undefined '],
    ['GET /info HTTP/1.0\n\n', 'GET /info undefined '],
    ['GET /info HTTP/1.1\nHost: docker\nAccept: */*\n\n', 'GET /info docker '],
    ['GET /info HTTP/1.1\r\nHost: docker\r\n\r\n', 'GET /info docker '],
    ['POST /a HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\n\r\nbody\n', 'POST /a d body'],
  ])('answers %j of a client that says no more', async (text, body) => {
    expect(statusAndBody(await ask(text))).toEqual(['200', body]);
  });

  it.each([
    ['nonsense\r\n\r\n', '400'],
    ['GET /a HTTP/1.1\nHost: d\n\nGET /b HTTP/1.1\nHost: d\n\n', '400'],
    ['POST /a HTTP/1.1\nHost: d\nContent-Length: 1\n\nx', '400'],
    ['POST /a HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\nbody', '400'],
    [`GET /a HTTP/1.1\r\nX: ${'x'.repeat(1_100_000)}\r\n\r\n`, '431'],
  ])('refuses what is none', async (text, status) => {
    const [given, body] = statusAndBody(await ask(text));
    expect(given).toBe(status);
    expect(body).toMatch(new RegExp(`^${status} `));
  });

  it('begins with one when the one before is answered', async () => {
    const request = (line: string, more = '') => `${line} HTTP/1.1\r\nHost: d\r\n${more}\r\n`;
    const all = await ask(
      `${request('POST /a', 'Content-Length: 1\r\n')}x${request('DELETE /abc')}${request('GET /abcdef', 'Connection: close\r\n')}`,
    );
    expect(all.match(/(POST|DELETE|GET) \/\w+/g)).toEqual(['POST /a', 'DELETE /abc', 'GET /abcdef']);
    expect(asked).toEqual(['/a', '/abc', '/abcdef'].flatMap((url) => [`begin ${url}`, `end ${url}`]));
  });
});

it('tells who forgot about TLS of it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'plain-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'].concat([
      ...['-keyout', key, '-out', cert, '-subj', '/CN=127.0.0.1'],
    ]),
    { stdio: 'ignore' },
  );
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert), allowHalfOpen: true });
  answerPlainHttp(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n');
  let all = '';
  for await (const chunk of socket) all += String(chunk);
  expect(all).toMatch(/^HTTP\/1.0 400 [^]*Client sent an HTTP request to an HTTPS server\.\n$/);
  server.close();
  rmSync(directory, { recursive: true });
});
