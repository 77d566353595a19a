import { api, instance } from '../support/engine';
import { EngineClient } from '../support/engine-client';

describe('system', () => {
  it('answers a ping with the headers that clients negotiate by', async () => {
    for (const answer of [await api.get('/_ping'), await api.head('/_ping')]) {
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({ 'api-version': '1.56', ostype: 'linux' });
      expect(answer.headers.server).toMatch(/^Gantry\//);
    }
  });

  it.each([
    ['/v1.56', 200, /./],
    ['/v1.22', 200, /./],
    ['/v1.99', 400, /client version 1\.99 is too new\. Maximum supported API version is 1\.56/],
    ['/v1.12', 400, /client version 1\.12 is too old\. Minimum supported API version is 1\.22/],
  ])('version prefix %s answers %i', async (version, status, text) => {
    const answer = await new EngineClient(instance.socket, version).get('/version');
    expect(answer.status).toBe(status);
    expect(answer.text).toMatch(text);
  });

  it('says page not found for a route that nobody has', async () => {
    expect(await api.get('/nonesuch')).toMatchObject({ status: 404, body: { message: 'page not found' } });
  });

  it('says not built, never a false success', async () => {
    const answer = await api.post<{ message: string }>('/plugins/pull?remote=x');
    expect(answer.status).toBe(501);
    expect(answer.body.message).not.toBe('');
  });

  it('is not in a swarm', async () => {
    expect(await api.get('/services')).toMatchObject({ status: 503 });
  });

  it('describes the host', async () => {
    const { body } = await api.get<Record<string, unknown>>('/info');
    expect(body).toMatchObject({ OSType: 'linux', Driver: 'overlay2' });
    expect(body['NCPU']).toBeGreaterThan(0);
    expect(body['MemTotal']).toBeGreaterThan(0);
    expect(body['DriverStatus']).toContainEqual(['Supports d_type', 'true']);
    expect(body['Plugins']).toMatchObject({
      Volume: expect.arrayContaining(['local']),
      Network: expect.arrayContaining(['bridge', 'macvlan']),
      Log: expect.arrayContaining(['json-file', 'local']),
    });
    expect(body).not.toHaveProperty('Components');
  });

  it('says what runs its containers', async () => {
    const [{ body: version }, { body: info }] = await Promise.all([
      api.get<{ Components: { Name: string; Version: string }[] }>('/version'),
      api.get<{ DefaultRuntime: string }>('/info'),
    ]);
    const names = version.Components.map(({ Name }) => Name);
    expect(names).toEqual(expect.arrayContaining(['Engine', info.DefaultRuntime]));
  });

  it('says which release of Docker it stands in for, as one plain version that clients can compare', async () => {
    const [{ body: version }, { body: info }] = await Promise.all([
      api.get<{ Version: string; Components: { Name: string }[] }>('/version'),
      api.get<{ ServerVersion: string }>('/info'),
    ]);
    expect(version.Version).toMatch(/^[1-9]\d+\.\d+\.\d+$/);
    expect(info.ServerVersion).toBe(version.Version);
    expect(version.Components.map(({ Name }) => Name)).toContain('gantry');
  });

  it('refuses a body that is not JSON', async () => {
    expect((await api.post('/containers/create', Buffer.from('{'))).status).toBeGreaterThanOrEqual(400);
  });
});
