import { readFileSync } from 'node:fs';
import { createContainer, freshName, inspect, removeContainer, startContainer } from '../support/containers';
import { api, docker } from '../support/engine';

describe('legacy links', () => {
  const [target, linking] = [freshName('db'), freshName('web')];
  const made: string[] = [];
  afterAll(async () => {
    for (const id of made) await removeContainer(id);
  });

  it('name the target, and are taken away without it', async () => {
    const id = await startContainer({ name: target });
    const from = await startContainer({ name: linking, host: { Links: [`${target}:database`] } });
    made.push(from, id);
    const link = `${linking}/database`;
    const hosts = () => readFileSync(`/proc/${pid}/root/etc/hosts`, 'utf8');
    const { Pid: pid } = (await inspect(from)).State;
    expect(hosts()).toMatch(/\sdatabase\b/);
    expect((await inspect(link)).Id).toBe(id);
    expect(await linksOf(linking)).toEqual([`/${target}:/${link}`]);
    expect(await namesOf(id)).toEqual([`/${link}`, `/${target}`].sort());

    const renamed = `${target}-renamed`;
    expect((await api.post(`/containers/${target}/rename?name=${renamed}`)).status).toBe(204);
    expect(await linksOf(linking)).toEqual([`/${renamed}:/${link}`]);

    expect(await docker(['rm', '--link', link])).toMatchObject({ code: 0, stdout: `${link}\n` });
    expect(hosts()).not.toContain('database');
    expect(hosts()).toContain('localhost');
    expect(await linksOf(linking)).toBeNull();
    expect(await namesOf(id)).toEqual([`/${renamed}`]);
    expect((await inspect(id)).State.Running).toBe(true);
  });

  it.each([
    [`${linking}/nonesuch`, 404, `No such container: ${linking}/nonesuch`],
    ['nonesuch/database', 404, 'No such container: nonesuch/database'],
    [linking, 500, 'Conflict, cannot remove the default link name of the container'],
  ])('removing the link %s answers %i', async (name, status, message) => {
    const answer = await api.delete(`/containers/${name}?link=1`);
    expect(answer).toMatchObject({ status, body: { message } });
  });

  it('go with their target', async () => {
    const gone = freshName('gone');
    await createContainer({ name: gone });
    const from = await createContainer({ host: { Links: [gone] } });
    made.push(from);
    expect(await linksOf(from)).toHaveLength(1);
    await removeContainer(gone);
    expect(await linksOf(from)).toBeNull();
    expect((await api.post(`/containers/${from}/start`)).status).toBe(204);
  });

  const linksOf = async (id: string) =>
    (await api.get<{ HostConfig: { Links: string[] | null } }>(`/containers/${id}/json`)).body.HostConfig
      .Links;

  async function namesOf(id: string): Promise<string[] | undefined> {
    const filters = encodeURIComponent(JSON.stringify({ id: [id] }));
    const { body } = await api.get<{ Names: string[] }[]>(`/containers/json?all=1&filters=${filters}`);
    return body[0]?.Names;
  }
});
