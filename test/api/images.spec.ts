import { gzipSync } from 'node:zlib';
import { api } from '../support/engine';
import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { createContainer, freshName, removeContainer, runContainer } from '../support/containers';
import { imageArchive } from '../support/image-archive';

interface ImageSummary {
  Id: string;
  RepoTags: string[] | null;
}

describe('images', () => {
  const made: string[] = [];
  afterAll(async () => {
    for (const image of made) await api.delete(`/images/${image}?force=1`);
  });
  const fresh = (what: string): string => {
    const name = freshName(what);
    made.push(name);
    return name;
  };
  const list = async (filters: Record<string, string[]>): Promise<ImageSummary[]> =>
    (await api.get<ImageSummary[]>(`/images/json?filters=${encodeURIComponent(JSON.stringify(filters))}`))
      .body;

  it('loads what docker save wrote: layers, whiteouts, links and owners', async () => {
    const name = fresh('loaded');
    const upper = await tarOf([
      { header: { name: 'data/.wh.seed' }, body: Buffer.alloc(0) },
      { header: { name: 'owned', uid: 1500, gid: 1600, mode: 0o4711 }, body: Buffer.from('x') },
      { header: { name: 'hard', type: 'link', linkname: 'owned', uid: 1500, gid: 1600, mode: 0o4711 } },
      { header: { name: 'soft', type: 'symlink', linkname: '/etc/passwd' } },
    ]);
    const { archive, id } = await imageArchive({
      repoTag: `${name}:1`,
      layers: [await busyboxRootfs(), upper],
      config: { Labels: { made: 'here' } },
    });
    const loaded = await api.post('/images/load', archive);
    expect(loaded.status).toBe(200);
    expect(loaded.text).toContain(`Loaded image: ${name}:1`);

    const { body } = await api.get<Record<string, unknown>>(`/images/${name}:1/json`);
    expect(body).toMatchObject({
      Id: id,
      RepoTags: [`${name}:1`],
      Os: 'linux',
      Created: '2020-01-02T03:04:05Z',
      Config: { Cmd: ['sh'], Labels: { made: 'here' } },
    });
    expect((body['RootFS'] as { Layers: string[] }).Layers).toHaveLength(2);
    const history = await api.get<{ CreatedBy: string }[]>(`/images/${name}:1/history`);
    expect(history.body.map(({ CreatedBy }) => CreatedBy)).toEqual(['step 1', 'step 0']);

    const ran = await runContainer({
      cmd: ['sh', '-c', 'ls /data; stat -c "%a %u %g %h" /owned; readlink /soft'],
      config: { Image: `${name}:1` },
    });
    await removeContainer(ran.id);
    expect(ran.stdout).toBe('4711 1500 1600 2\n/etc/passwd\n');
  });

  it('imports nothing for another operating system', async () => {
    const answer = await api.post('/images/create?fromSrc=-&platform=windows%2Famd64', await busyboxRootfs());
    expect([answer.status, answer.body]).toEqual([400, { message: 'operating system is not supported' }]);
  });

  it('imports a compressed tar with changes', async () => {
    const name = fresh('imported');
    const changes = ['ENV A=b', 'CMD ["echo", "hi"]', 'LABEL k=v'].map(
      (c) => `&changes=${encodeURIComponent(c)}`,
    );
    const answer = await api.post(
      `/images/create?fromSrc=-&repo=${name}&tag=z&message=note${changes.join('')}`,
      gzipSync(await busyboxRootfs(), { level: 1 }),
    );
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(/"status":"sha256:[0-9a-f]{64}"/);
    const { body } = await api.get(`/images/${name}:z/json`);
    expect(body).toMatchObject({
      Comment: 'note',
      Config: { Env: expect.arrayContaining(['A=b']), Cmd: ['echo', 'hi'], Labels: { k: 'v' } },
    });
  });

  it.each([
    ['a layer that is not what the configuration says', { diffIds: [`sha256:${'0'.repeat(64)}`] }],
    ['fewer layers than the configuration says', { diffIds: [] }],
  ])('refuses %s', async (_, wrong) => {
    const name = fresh('damaged');
    const layers = [await tarOf([{ header: { name: 'f' }, body: Buffer.from('x') }])];
    const { archive } = await imageArchive({ repoTag: `${name}:1`, layers, ...wrong });
    const answer = await api.post('/images/load', archive);
    expect(answer.status >= 400 || answer.text.includes('errorDetail')).toBe(true);
    expect((await api.get(`/images/${name}:1/json`)).status).toBe(404);
  });

  it('refuses what is no tar', async () => {
    const name = fresh('noise');
    const answer = await api.post(`/images/create?fromSrc=-&repo=${name}`, Buffer.alloc(4096, 'noise'));
    expect(answer.status >= 400 || answer.text.includes('errorDetail')).toBe(true);
    expect((await api.get(`/images/${name}/json`)).status).toBe(404);
  });

  it('tags, lists by filter, and removes a name at a time', async () => {
    const name = fresh('tagged');
    const { archive, id } = await imageArchive({
      repoTag: `${name}:1`,
      layers: [await tarOf([{ header: { name: 'only-here' }, body: Buffer.from(name) }])],
      config: { Labels: { [name]: 'yes' } },
    });
    await api.post('/images/load', archive);
    expect((await api.post(`/images/${name}:1/tag?repo=${name}&tag=2`)).status).toBe(201);
    expect((await api.post(`/images/${name}:1/tag?repo=UPPER&tag=2`)).status).toBe(400);
    const [found, ...others] = await list({ reference: [`${name}:*`] });
    expect(others).toEqual([]);
    expect(found).toMatchObject({ Id: id });
    expect([...(found?.RepoTags ?? [])].sort()).toEqual([`${name}:1`, `${name}:2`]);
    expect(await list({ label: [`${name}=yes`] })).toHaveLength(1);
    expect(await list({ label: [`${name}=no`] })).toHaveLength(0);

    expect((await api.delete(`/images/${name}:1`)).body).toEqual([{ Untagged: `${name}:1` }]);
    const last = (await api.delete<{ Untagged?: string; Deleted?: string }[]>(`/images/${name}:2`)).body;
    expect(last[0]).toEqual({ Untagged: `${name}:2` });
    expect(last).toContainEqual({ Deleted: id });
    expect((await api.get(`/images/${name}:2/json`)).status).toBe(404);
  });

  it('keeps an image that a container has', async () => {
    const name = fresh('used');
    await api.post(
      `/images/create?fromSrc=-&repo=${name}`,
      await tarOf([{ header: { name: 'f' }, body: Buffer.from(name) }]),
    );
    const id = await createContainer({ cmd: ['/f'], config: { Image: name } });
    const refused = await api.delete<{ message: string }>(`/images/${name}`);
    expect(refused.status).toBe(409);
    expect(refused.body.message).toContain(id.slice(0, 12));
    await removeContainer(id);
    expect((await api.delete(`/images/${name}`)).status).toBe(200);
  });

  it.each([
    ['GET', '/images/nonesuch/json', 404, 'No such image: nonesuch:latest'],
    ['DELETE', '/images/nonesuch', 404, 'No such image: nonesuch:latest'],
    ['POST', '/images/nonesuch/tag?repo=x', 404, 'No such image: nonesuch:latest'],
    ['GET', '/images/json?filters=%7B%22bogus%22%3A%5B%22x%22%5D%7D', 400, "invalid filter 'bogus'"],
  ])('%s %s answers %i', async (method, path, status, message) => {
    const answer = await api.call<{ message: string }>(method, path);
    expect({ status: answer.status, message: answer.body.message }).toEqual({ status, message });
  });
});
