import { forbidden, internal, notFound, unavailable } from '@gantry/shared/errors';
import { incoming, toJson, writeMessage } from '@gantry/shared/grpc';
import { GatewayFixture } from '../gateway.fixture';

describe('container endpoints', () => {
  let gateway: GatewayFixture;
  const seen: Record<string, unknown> = {};
  let waits = 0;
  let letWaitEnd = () => {};
  let followerGone = () => {};

  beforeAll(async () => {
    gateway = await GatewayFixture.start({
      containers: {
        create: async (request) => {
          seen['create'] = { ...request, config: JSON.parse(request.config.toString()) };
          return { id: 'abc', warnings: ['from the service'] };
        },
        list: async (request) => {
          seen['list'] = request;
          return toJson([]);
        },
        prune: async () => toJson({ ContainersDeleted: ['a', 'b'], SpaceReclaimed: 7 }),
        stop: async (request) => {
          seen['stop'] = request;
          return {};
        },
        start: async () => {
          throw internal('driver failed programming external connectivity: port is already allocated');
        },
        wait: async (call) => {
          if (call.request.container === 'missing') throw notFound('No such container: missing');
          await writeMessage(call, { event: { $case: 'registered', value: {} } });
          waits += 1;
          if (call.request.container === 'restarted' && waits % 2 === 1) throw unavailable('gone');
          if (call.request.container === 'restarted') {
            await writeMessage(call, { event: { $case: 'result', value: { statusCode: 3, error: '' } } });
            return;
          }
          await new Promise<void>((resolve) => (letWaitEnd = resolve));
          await writeMessage(call, { event: { $case: 'result', value: { statusCode: 7, error: '' } } });
        },
        shortLogs: async (request) => {
          const output = [1, 2].map((stream) => ({ stream, data: Buffer.from(`short${stream}\n`) }));
          seen['shortLogs'] = request;
          return request.tail === '2'
            ? { complete: true, started: { tty: false }, output }
            : { complete: false, started: undefined, output: [] };
        },
        logs: async (call) => {
          seen['logs'] = call.request;
          await writeMessage(call, {
            message: { $case: 'started', value: { tty: call.request.container === 'tty' } },
          });
          for (const stream of [1, 2]) {
            await writeMessage(call, {
              message: { $case: 'output', value: { stream, data: Buffer.from(`line${stream}\n`) } },
            });
          }
          if (call.request.follow) await new Promise<void>((resolve) => call.once('cancelled', resolve));
          followerGone();
        },
        stats: async (call) => {
          for (let i = 0; i < (call.request.stream ? 3 : 1); i++) await writeMessage(call, toJson({ i }));
        },
        export: async (call) => {
          await writeMessage(call, { data: Buffer.from('tar') });
          if (call.request.container === 'broken') throw internal('the disk is gone');
          await writeMessage(call, { data: Buffer.from('ball') });
        },
        statArchive: async () => ({ stat: Buffer.from('{"name":"f"}') }),
        getArchive: async (call) => {
          await writeMessage(call, {
            message: { $case: 'stat', value: { stat: Buffer.from('{"name":"f"}') } },
          });
          await writeMessage(call, { message: { $case: 'data', value: Buffer.from('bytes') } });
        },
        putArchive: async (call) => {
          let size = 0;
          for await (const { message } of incoming(call as never) as AsyncIterable<{
            message?: { $case: string; value: unknown };
          }>) {
            if (message?.$case === 'start') {
              seen['put'] = message.value;
              if ((message.value as { container: string }).container === 'readonly') {
                throw forbidden('container rootfs is marked read-only');
              }
            } else size += (message?.value as Buffer).length;
          }
          seen['putSize'] = size;
          return {};
        },
      },
    });
  });
  afterAll(() => gateway.stop());

  it('creates: name, platform and body go on, the warnings come back', async () => {
    const answer = await gateway.ask('POST', '/v1.50/containers/create?name=n&platform=linux/amd64', {
      Image: 'i',
    });
    expect(answer.status).toBe(201);
    expect(JSON.parse(answer.body)).toEqual({ Id: 'abc', Warnings: ['from the service'] });
    expect(seen['create']).toEqual({ name: 'n', platform: 'linux/amd64', config: { Image: 'i' } });
  });

  it('lists with filters', async () => {
    await gateway.ask('GET', '/containers/json?all=1&limit=3&filters={"status":{"running":true}}');
    expect(seen['list']).toEqual({
      all: true,
      limit: 3,
      size: false,
      filters: { terms: { status: { values: ['running'] } } },
    });
  });

  it('stops with a signal and a time, neither where not given', async () => {
    expect((await gateway.ask('POST', '/containers/c/stop?t=0&signal=INT')).status).toBe(204);
    expect(seen['stop']).toEqual({ container: 'c', signal: 'INT', timeoutSeconds: 0 });
    await gateway.ask('POST', '/v1.41/containers/c/stop?signal=INT');
    expect(seen['stop']).toEqual({ container: 'c', signal: '', timeoutSeconds: undefined });
  });

  it('takes parameters from a form, as curl -d sends them, before those of the query', async () => {
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const stop = (path: string, body: string) => gateway.ask('POST', `/containers/c/${path}`, body, form);
    expect((await stop('stop?t=9', 't=0&signal=INT')).status).toBe(204);
    expect(seen['stop']).toEqual({ container: 'c', signal: 'INT', timeoutSeconds: 0 });
    expect((await stop('stop?t=1', '')).status).toBe(204);
    expect(seen['stop']).toMatchObject({ timeoutSeconds: 1 });
    expect((await stop('stop', 't=x')).status).toBe(400);
  });

  it('keeps the words of a service’s error', async () => {
    const answer = await gateway.ask('POST', '/containers/c/start');
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.body).message).toMatch(/port is already allocated$/);
  });

  it('says that a wait is registered by its header, and the result later', async () => {
    const client = gateway.raw();
    client.send(
      'POST /containers/c/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n',
    );
    const head = await client.until((text) => text.includes('\r\n\r\n'));
    expect(head).toContain('200 OK');
    expect(head).not.toContain('StatusCode');
    letWaitEnd();
    expect(await client.end()).toContain('{"StatusCode":7}');
  });

  it('waits on where the service is started again meanwhile, but not for a next end, which may have passed', async () => {
    const answer = await gateway.ask('POST', '/containers/restarted/wait');
    expect(answer).toMatchObject({ status: 200, body: '{"StatusCode":3}\n' });
    const client = gateway.raw();
    client.send(
      'POST /containers/restarted/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n',
    );
    expect(await client.end()).not.toContain('StatusCode');
  });

  it('answers a wait that cannot be in the ordinary way', async () => {
    expect((await gateway.ask('POST', '/containers/missing/wait')).status).toBe(404);
    const answer = await gateway.ask('POST', '/containers/c/wait?condition=foo');
    expect(answer).toMatchObject({ status: 400, body: '{"message":"invalid condition: \\"foo\\""}\n' });
  });

  it('frames logs, and not those of a terminal', async () => {
    const answer = await gateway.ask('GET', '/containers/c/logs?stdout=1&stderr=1&since=5.000000001&tail=10');
    expect(answer.headers['content-type']).toBe('application/vnd.docker.multiplexed-stream');
    expect(answer.body).toBe('\x01\0\0\0\0\0\0\x06line1\n\x02\0\0\0\0\0\0\x06line2\n');
    expect(seen['logs']).toMatchObject({ since: '5.000000001', tail: '10', stdout: true, follow: false });
    const terminal = await gateway.ask('GET', '/containers/tty/logs?stdout=1');
    expect(terminal.headers['content-type']).toBe('application/vnd.docker.raw-stream');
    expect(terminal.body).toBe('line1\nline2\n');
    const short = await gateway.ask('GET', '/containers/c/logs?stdout=1&stderr=1&tail=2');
    expect(short.body).toBe('\x01\0\0\0\0\0\0\x07short1\n\x02\0\0\0\0\0\0\x07short2\n');
    expect(seen['shortLogs']).toMatchObject({ tail: '2', stdout: true });
    expect((await gateway.ask('GET', '/containers/c/logs')).status).toBe(400);
  });

  it('lets go of logs that are followed by nobody', async () => {
    const gone = new Promise<void>((resolve) => (followerGone = resolve));
    const client = gateway.raw();
    client.send('GET /containers/c/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: d\r\n\r\n');
    await client.until((text) => text.includes('line2'));
    client.socket.destroy();
    await gone;
  });

  it('streams stats as JSON lines', async () => {
    expect((await gateway.ask('GET', '/containers/c/stats')).body).toBe('{"i":0}\n{"i":1}\n{"i":2}\n');
    expect((await gateway.ask('GET', '/containers/c/stats?stream=0')).body).toBe('{"i":0}\n');
    expect((await gateway.ask('GET', '/containers/c/stats?one-shot=1')).status).toBe(400);
  });

  it('exports, and breaks the connection rather than ending half a tar', async () => {
    expect((await gateway.ask('GET', '/containers/c/export')).body).toBe('tarball');
    await expect(
      Promise.race([
        gateway.ask('GET', '/containers/broken/export'),
        new Promise((_, reject) => setTimeout(() => reject(new Error('no end')), 1_000)),
      ]),
    ).rejects.toThrow();
  });

  it('copies out of a container', async () => {
    const stat = Buffer.from('{"name":"f"}').toString('base64');
    const head = await gateway.ask('HEAD', '/containers/c/archive?path=/f');
    expect(head).toMatchObject({ status: 200, headers: { 'x-docker-container-path-stat': stat } });
    const got = await gateway.ask('GET', '/containers/c/archive?path=/f');
    expect(got).toMatchObject({
      body: 'bytes',
      headers: { 'x-docker-container-path-stat': stat, 'content-type': 'application/x-tar' },
    });
    expect((await gateway.ask('GET', '/containers/c/archive')).status).toBe(400);
  });

  it('copies into a container, and reads on when the answer comes early', async () => {
    const tar = Buffer.alloc(5_000_000, 1);
    const type = { 'Content-Type': 'application/x-tar' };
    const path = 'archive?path=/d&noOverwriteDirNonDir=true';
    expect((await gateway.ask('PUT', `/containers/c/${path}`, tar, type)).status).toBe(200);
    expect(seen['putSize']).toBe(tar.length);
    expect(seen['put']).toMatchObject({ path: '/d', noOverwriteDirNonDir: true, copyUidGid: false });
    const refused = await gateway.ask('PUT', `/containers/readonly/${path}`, tar, type);
    expect(refused).toMatchObject({ status: 403 });
  });

  it('streams a prune as JSON Lines where it is asked to', async () => {
    expect(await gateway.ask('POST', '/v1.56/containers/prune?stream=1')).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/jsonl' },
      body:
        '{"id":"a","status":"Deleted"}\n{"id":"b","status":"Deleted"}\n' +
        '{"aux":{"ContainersDeleted":["a","b"],"SpaceReclaimed":7}}\n',
    });
    for (const path of ['/v1.55/containers/prune?stream=1', '/containers/prune']) {
      expect(JSON.parse((await gateway.ask('POST', path)).body)).toEqual({
        ContainersDeleted: ['a', 'b'],
        SpaceReclaimed: 7,
      });
    }
  });
});
