import { notModified } from '@gantry/shared/errors';
import { toJson } from '@gantry/shared/grpc';
import { GatewayFixture } from '../gateway.fixture';

describe('routing and errors', () => {
  let gateway: GatewayFixture;
  let reference = '';

  beforeAll(async () => {
    gateway = await GatewayFixture.start({
      containers: {
        start: async () => {
          throw notModified('already started');
        },
        list: async (request) => toJson([request]),
      },
      networks: { list: async () => toJson([]) },
      images: {
        inspect: async (request) => {
          reference = request.reference;
          return toJson({ Id: 'x', Size: 5 });
        },
      },
    });
  });
  afterAll(() => gateway.stop());

  it('pings, with the headers that clients negotiate by', async () => {
    for (const path of ['/_ping', '/v1.41/_ping']) {
      const answer = await gateway.ask('GET', path);
      expect(answer).toMatchObject({ status: 200, body: 'OK' });
      expect(answer.headers).toMatchObject({
        'api-version': '1.56',
        ostype: 'linux',
        'docker-experimental': 'false',
        'builder-version': '1',
        swarm: 'inactive',
        'cache-control': 'no-cache, no-store, must-revalidate',
      });
      expect(answer.headers.server).toMatch(/^Gantry\/\S+ \(linux\)$/);
    }
    expect(await gateway.ask('HEAD', '/_ping')).toMatchObject({ status: 200, body: '' });
  });

  it('lists networks with a slash at the end too, as dockerd does', async () => {
    for (const path of ['/networks', '/v1.51/networks/']) {
      expect(await gateway.ask('GET', path)).toMatchObject({ status: 200, body: '[]' });
    }
  });

  it('takes a whole URL, and sends on who asks for a path that is not clean', async () => {
    expect(await gateway.ask('GET', 'http://localhost:2375/v1.41/_ping')).toMatchObject({ body: 'OK' });
    expect(await gateway.ask('GET', 'http://localhost')).toMatchObject({ status: 404 });
    for (const path of ['//v1.41//_ping?a=//', '/v1.41/containers/.././_ping?a=//']) {
      const answer = await gateway.ask('GET', path);
      expect(answer).toMatchObject({ status: 301, headers: { location: '/v1.41/_ping?a=//' } });
    }
    expect(await gateway.ask('OPTIONS', '/v1.41/containers/json')).toMatchObject({ status: 200, body: '' });
  });

  it('takes headers as long as those of dockerd', async () => {
    const headers = { 'X-Registry-Config': 'a'.repeat(500_000) };
    expect(await gateway.ask('GET', '/_ping', undefined, headers)).toMatchObject({ status: 200 });
  });

  it('starts nothing that comes with a configuration', async () => {
    const text =
      'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24';
    const asked = (body: string) => gateway.ask('POST', '/containers/c/start', body);
    expect(await asked('{"Privileged":true}')).toMatchObject({
      status: 400,
      body: `{"message":"${text}"}\n`,
    });
    expect((await asked('{}')).status).toBe(304);
  });

  it.each([
    ['GET', '/v1.41/nonesuch', 404, 'page not found'],
    ['DELETE', '/info', 404, 'page not found'],
    ['GET', '/Info', 404, 'page not found'],
    ['GET', '/info/', 404, 'page not found'],
    ['GET', '/containers/%zz/json', 400, 'invalid URL escape in "%zz"'],
    ['GET', '/v1.99/info', 400, 'client version 1.99 is too new. Maximum supported API version is 1.56'],
    ['POST', '/build?version=3', 400, 'invalid version "3"'],
    [
      'POST',
      '/build?outputs=%5B%7B%22Type%22%3A%22tar%22%7D%5D',
      400,
      'Builder V1 does not support outputs option',
    ],
    ['POST', '/build?cgroupparent=..%2Fx', 400, 'invalid cgroup parent: ../x'],
    ['POST', '/build?buildargs=x', 400, 'error reading buildargs'],
    ['GET', '/plugins/nonesuch/json', 404, 'plugin "nonesuch" not found'],
    ['DELETE', '/plugins/nonesuch', 404, 'plugin "nonesuch" not found'],
    ['POST', '/plugins/pull?remote=x', 501, 'installing plugins is not built yet'],
    ['POST', '/session', 400, 'no upgrade proto in request'],
    ['GET', '/swarm', 503, 'This node is not a swarm manager.'],
    ['POST', '/services/create', 503, 'This node is not a swarm manager.'],
    ['GET', '/nodes/abc', 503, 'This node is not a swarm manager.'],
    ['POST', '/build/cancel', 400, 'build ID not provided'],
    ['GET', '/containers/c/checkpoints', 501, 'This experimental feature is disabled by default.'],
    ['DELETE', '/containers/c/checkpoints/d', 501, 'This experimental feature is disabled by default.'],
    ['POST', '/containers/c/start?checkpoint=d1', 400, 'checkpoint is only supported in experimental mode'],
    ['POST', '/containers/c/start?checkpoint=..%2Fd', 400, 'invalid checkpoint ID "../d", only'],
    ['POST', '/swarm/init', 501, 'swarm mode is not built'],
    ['POST', '/swarm/leave', 503, 'This node is not part of a swarm'],
    ['GET', '/containers/json?all=1;limit=1', 400, 'invalid semicolon separator in query'],
    ['GET', '/containers/json?filters=%zz', 400, 'invalid URL escape "%zz"'],
    ['GET', '/containers/json?limit=abc', 400, 'strconv.Atoi: parsing "abc": invalid syntax'],
    ['GET', '/containers/json?filters=x', 400, 'invalid filter'],
  ])('%s %s is %i', async (method, path, status, message) => {
    const answer = await gateway.ask(method, path);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(answer.body).message).toContain(message);
  });

  it('has no plugins', async () => {
    const answer = await gateway.ask('GET', '/plugins');
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toEqual([]);
  });

  it('answers HEAD only where the API has it', async () => {
    expect((await gateway.ask('HEAD', '/containers/json')).status).toBe(404);
  });

  it('answers 304 without a body', async () => {
    expect(await gateway.ask('POST', '/containers/a/start')).toMatchObject({ status: 304, body: '' });
  });

  it.each([
    ['{', 'application/json', 'invalid JSON: '],
    ['{"a":', 'application/json', 'invalid JSON: unexpected EOF'],
    ['{"a":1}x', 'application/json', 'unexpected content after JSON'],
    [
      '{"a":1,}',
      'application/json',
      "invalid JSON: invalid character '}' looking for beginning of object key string",
    ],
    ['[]', 'application/json', 'invalid JSON: json: cannot unmarshal array'],
    ['{}', 'text/plain', "unsupported Content-Type header (text/plain): must be 'application/json'"],
    ['', 'application/json', 'invalid JSON: EOF'],
  ])('refuses the body %p of type %s', async (body, type, message) => {
    const answer = await gateway.ask('POST', '/containers/create', body, { 'Content-Type': type });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).message).toContain(message);
  });

  it('refuses a body that is too deep to be read', async () => {
    const answer = await gateway.ask(
      'POST',
      '/containers/create',
      `{"a":${'['.repeat(9000)}${']'.repeat(9000)}}`,
    );
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).message).toBe("invalid JSON: invalid character '[' exceeded max depth");
  });

  it.each(['busybox', 'a/b/c:1', 'localhost:5000/x@sha256:abc'])(
    'takes the image name %s with its slashes',
    async (name) => {
      expect((await gateway.ask('GET', `/v1.56/images/${name}/json`)).status).toBe(200);
      expect(reference).toBe(name);
    },
  );

  it('says that a body is too large, to a client that sends all of it first', async () => {
    const { status, body } = await gateway.ask('POST', '/volumes/create', {
      Name: 'x'.repeat(8 * 1024 * 1024),
    });
    expect([status, JSON.parse(body)]).toEqual([400, { message: 'http: request body too large' }]);
  });

  it('answers an upgrade request for anything else in the ordinary way', async () => {
    const client = gateway.raw();
    client.send('GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    const text = await client.end();
    expect(text).toContain('HTTP/1.1 200 OK');
    expect(text).toContain('Connection: close');
    expect(text.endsWith('OK')).toBe(true);
  });
});

it('says that it takes part in experiments where it is told to', async () => {
  process.env['GANTRY_EXPERIMENTAL'] = '1';
  const gateway = await GatewayFixture.start({});
  delete process.env['GANTRY_EXPERIMENTAL'];
  try {
    expect((await gateway.ask('HEAD', '/_ping')).headers).toMatchObject({ 'docker-experimental': 'true' });
    const version = JSON.parse((await gateway.ask('GET', '/version')).body) as {
      Experimental: boolean;
      Components: { Details: object }[];
    };
    expect(version.Experimental).toBe(true);
    expect(version.Components[0]?.Details).toMatchObject({ Experimental: 'true' });
    const { status, body } = await gateway.ask('GET', '/containers/c/checkpoints');
    expect([status, body]).toEqual([501, expect.stringContaining('checkpoints are not built yet')]);
  } finally {
    await gateway.stop();
  }
});
