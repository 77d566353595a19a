import { conflict } from '@gantry/shared/errors';
import { toJson, writeMessage } from '@gantry/shared/grpc';
import { GatewayFixture } from '../gateway.fixture';

describe('images', () => {
  let gateway: GatewayFixture;
  const asked: unknown[] = [];

  beforeAll(async () => {
    const answer = (request: unknown) => {
      asked.push(request);
      return Promise.resolve(toJson([]));
    };
    gateway = await GatewayFixture.start({
      images: {
        list: answer,
        inspect: answer,
        remove: answer,
        prune: answer,
        attestations: answer,
        pruneProgress: async (call) => {
          const terms = call.request.filters?.terms ?? {};
          if (terms['early']) throw conflict('nothing yet');
          await writeMessage(call, toJson({ id: 'a:1', status: 'Untagged' }));
          if (terms['late']) throw conflict('half of it');
          await writeMessage(call, toJson({ aux: { ImagesDeleted: [], SpaceReclaimed: 5 } }));
        },
      },
    });
  });
  afterAll(() => gateway.stop());

  const prune = (filters: string) =>
    gateway.ask('POST', `/v1.56/images/prune?stream=1&filters=${encodeURIComponent(filters)}`);

  it('streams a prune as JSON Lines', async () => {
    expect(await prune('{}')).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/jsonl' },
      body: '{"id":"a:1","status":"Untagged"}\n{"aux":{"ImagesDeleted":[],"SpaceReclaimed":5}}\n',
    });
    expect((await prune('{"late":["1"]}')).body).toBe(
      '{"id":"a:1","status":"Untagged"}\n{"errorDetail":{"message":"half of it"}}\n',
    );
    expect(await prune('{"early":["1"]}')).toMatchObject({
      status: 409,
      body: '{"message":"nothing yet"}\n',
    });
    const plain = await gateway.ask('POST', '/v1.55/images/prune?stream=1');
    expect(plain).toMatchObject({ status: 200, body: '[]' });
  });

  it('asks for what the version of the API has', async () => {
    await gateway.ask('GET', '/v1.46/images/json?manifests=1&identity=1');
    expect(asked.at(-1)).toMatchObject({ manifests: false, identity: false });
    await gateway.ask('GET', '/v1.56/images/json?manifests=1&identity=1');
    expect(asked.at(-1)).toMatchObject({ manifests: true, identity: true });
    const platform = encodeURIComponent('{"os":"linux","architecture":"arm64"}');
    await gateway.ask('GET', `/v1.48/images/a/json?manifests=1&platform=${platform}`);
    expect(asked.at(-1)).toMatchObject({ manifests: true, platformJson: '' });
    await gateway.ask('DELETE', `/v1.56/images/a?platforms=${platform}&platforms=${platform}`);
    expect(asked.at(-1)).toMatchObject({ platformsJson: [expect.any(String), expect.any(String)] });
  });

  it('finds attestations from 1.55 on, for one platform', async () => {
    expect((await gateway.ask('GET', '/v1.54/images/a/attestations')).status).toBe(404);
    expect((await gateway.ask('GET', '/images/a/attestations?platform=x&platform=y')).status).toBe(400);
    await gateway.ask('GET', '/images/reg/a:1/attestations?type=p&type=q&statement=true');
    expect(asked.at(-1)).toMatchObject({ reference: 'reg/a:1', types: ['p', 'q'], statement: true });
  });
});
