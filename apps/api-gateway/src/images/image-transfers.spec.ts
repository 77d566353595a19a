import http from 'node:http';
import { join } from 'node:path';
import { GatewayFixture } from '../gateway.fixture';

describe('images as archives', () => {
  let gateway: GatewayFixture;
  let data: http.Server;
  const asked: string[] = [];

  beforeAll(async () => {
    gateway = await GatewayFixture.start({});
    data = http.createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.url?.includes('missing')) {
        response.writeHead(404).end(JSON.stringify({ kind: 'NotFound', message: 'No such image: missing' }));
      } else if (request.method === 'PUT') {
        request.resume();
        response.writeHead(500).end(JSON.stringify({ kind: 'Internal', message: 'no space left on device' }));
      } else {
        response.writeHead(200);
        response.write('half');
        if (request.url?.includes('broken')) setImmediate(() => response.destroy());
        else response.end('whole');
      }
    });
    await new Promise<void>((resolve) => data.listen(join(gateway.directory, 'image-data.sock'), resolve));
  });
  afterAll(async () => {
    await new Promise((resolve) => data.close(resolve));
    await gateway.stop();
  });

  it('passes on what image-service exports', async () => {
    const answer = await gateway.ask('GET', '/images/get?names=a:1&names=b/c');
    expect(answer).toMatchObject({
      status: 200,
      body: 'halfwhole',
      headers: { 'content-type': 'application/x-tar' },
    });
    expect(asked.at(-1)).toBe('GET /export?name=a%3A1&name=b%2Fc');
    await gateway.ask('GET', '/images/reg/a:1/get');
    expect(asked.at(-1)).toBe('GET /export?name=reg%2Fa%3A1');
  });

  it('passes on errors before the first byte, and breaks the connection later', async () => {
    const missing = await gateway.ask('GET', '/images/missing/get');
    expect(missing).toMatchObject({ status: 404, body: '{"message":"No such image: missing"}\n' });
    const client = gateway.raw();
    client.send('GET /images/broken/get HTTP/1.1\r\nHost: d\r\n\r\n');
    expect(await client.end()).not.toMatch(/0\r\n\r\n$/);
  });

  it('says why an upload was not taken', async () => {
    const answer = await gateway.ask('POST', '/images/load', 'tar', { 'Content-Type': 'application/x-tar' });
    expect(answer).toMatchObject({ status: 500, body: '{"message":"no space left on device"}\n' });
    expect(asked.at(-1)).toMatch(/^PUT \/uploads\/[0-9a-f-]{36}$/);
  });

  it('takes several platforms since API 1.52', async () => {
    const asked = ['{"os":"linux","architecture":"arm64"}', '{"os":"linux","architecture":"amd64"}'];
    const query = asked.map((platform) => `platform=${encodeURIComponent(platform)}`).join('&');
    for (const [method, path] of [
      ['POST', 'images/load'],
      ['GET', 'images/a/get'],
    ] as const) {
      expect((await gateway.ask(method, `/v1.51/${path}?${query}`)).status).toBe(400);
    }
  });

  it('creates from an image or from a source', async () => {
    expect((await gateway.ask('POST', '/images/create')).status).toBe(400);
  });
});
