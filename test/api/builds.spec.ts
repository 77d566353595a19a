import { beginBuild } from '../support/begin-build';
import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { freshName } from '../support/containers';
import { api, docker, instance } from '../support/engine';
import { eventually } from '../support/eventually';

interface Cached {
  ID: string;
  Type: string;
  Description: string;
  InUse: boolean;
  Shared: boolean;
  Size: number;
}

interface ImageEvent {
  Action: string;
  Actor: { ID: string; Attributes: { name: string } };
}

describe('builds', () => {
  jest.setTimeout(60_000);
  const base = freshName('base');
  const names: string[] = [];

  beforeAll(async () => {
    const imported = await api.post(
      `/images/create?fromSrc=-&repo=${base}&tag=1&changes=ENV%20PATH%3D%2Fbin`,
      await busyboxRootfs(),
    );
    expect(imported.status).toBe(200);
  });
  afterAll(async () => {
    for (const name of [...names, `${base}:1`]) await api.delete(`/images/${name}?force=1`);
    await api.post('/build/prune?all=1');
  });

  const contextOf = (lines: string[], files: Record<string, string> = {}) =>
    tarOf(
      Object.entries({ Dockerfile: [`FROM ${base}:1`, ...lines].join('\n'), ...files }).map(
        ([name, body]) => ({ header: { name }, body: Buffer.from(body) }),
      ),
    );

  /** Returns what is told, and the image's id. */
  async function build(context: Buffer, query: Record<string, string> = {}) {
    const name = freshName('built');
    names.push(name);
    const parameters = new URLSearchParams({ t: name, ...query });
    const { text } = await api.post(`/build?${parameters.toString()}`, context);
    return { name, text, id: /"aux":\{"ID":"(sha256:\w+)"\}(?![\s\S]*"aux")/.exec(text)?.[1] };
  }

  async function cacheOf(description: string): Promise<Cached[]> {
    const { body } = await api.get<{ BuildCache: Cached[] }>('/v1.48/system/df?type=build-cache');
    return body.BuildCache.filter((record) => record.Description.includes(description));
  }

  it('say in the events that there is an image, then its name', async () => {
    const since = Date.now() / 1000;
    const { id, name } = await build(await contextOf(['LABEL of=build']));
    await eventually(async () => {
      const filters = encodeURIComponent(JSON.stringify({ type: ['image'], label: ['of=build'] }));
      const { text } = await api.get(`/events?since=${since}&until=${Date.now() / 1000}&filters=${filters}`);
      const seen = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as ImageEvent);
      expect(seen.map(({ Action, Actor }) => [Action, Actor.ID, Actor.Attributes.name])).toEqual([
        ['create', id, id],
        ['tag', id, `${name}:latest`],
      ]);
    });
  });

  it('do a step once that two stages have', async () => {
    const step = 'RUN cat /proc/sys/kernel/random/uuid > /once';
    const { text, name } = await build(
      await contextOf([step, `FROM ${base}:1`, step, 'COPY --from=0 /once /other', 'RUN cmp /once /other']),
    );
    expect(text.match(/Using cache/g)).toHaveLength(1);
    expect(text).toContain(`Successfully tagged ${name}:latest`);
  });

  it('run what the image runs where RUN has an empty list', async () => {
    const { text } = await build(await contextOf(['CMD ["echo", "of the image"]', 'RUN []']));
    expect(text).toContain('of the image\\n');
  });

  it('say which image of a COPY is not to be had', async () => {
    const { text } = await build(await contextOf(['COPY --from=127.0.0.1:1/none /a /a']));
    expect(text).toContain('"message":"invalid from flag value 127.0.0.1:1/none: ');
  });

  it('do again nothing that was done, whatever the times of files are', async () => {
    const lines = ['COPY file /file', 'RUN cat /file > /copy', 'CMD ["cat", "/copy"]'];
    const first = await build(await contextOf(lines, { file: 'same' }));
    const second = await build(await contextOf(lines, { file: 'same' }));
    expect(second.text.match(/Using cache/g)).toHaveLength(3);
    expect(second.id).toBe(first.id);
    const other = await build(await contextOf(lines, { file: 'other' }));
    expect(other.text).not.toContain('Using cache');
    expect((await docker(['run', '--rm', other.name])).stdout).toBe('other');
  });

  it('are refused for what dockerd refuses, in its words', async () => {
    for (const [query, lines, message] of [
      ['isolation=hyperv', [], 'Unsupported isolation: "hyperv"'],
      ['securityopt=x', [], 'The daemon on this platform does not support setting security options on build'],
      ['', ['FOO bar'], 'dockerfile parse error on line 2: unknown instruction: FOO'],
    ] as const) {
      const { status, text } = await api.post(`/build?${query}`, await contextOf([...lines]));
      expect([status, JSON.parse(text)]).toEqual([400, { message }]);
    }
  });

  it('with SOURCE_DATE_EPOCH are the same image each time they are done', async () => {
    const context = await contextOf(
      ['WORKDIR /made', 'RUN echo a > a && ln a b && mkdir -p c/d', 'COPY f .'],
      {
        f: 'f',
      },
    );
    const query = { nocache: '1', buildargs: JSON.stringify({ SOURCE_DATE_EPOCH: '1700000000' }) };
    const [first, second] = [await build(context, query), await build(context, query)];
    expect(first.text.match(/Running in/g)).toHaveLength(1);
    expect(second.text.match(/Running in/g)).toHaveLength(1);
    expect(second.id).toBe(first.id);
    expect(first.text).not.toContain('not consumed');
    const { body } = await api.get<{ Created: string }>(`/images/${first.name}/json`);
    expect(body.Created).toBe('2023-11-14T22:13:20Z');
  });

  it('take steps only from the images of cachefrom, where there are any', async () => {
    const context = await contextOf([`LABEL a=${freshName('x')}`, 'RUN true', 'LABEL c=d']);
    const first = await build(context);
    const none = await build(context, { cachefrom: JSON.stringify([`${base}:1`]) });
    expect(none.text).not.toContain('Using cache');
    // All that is left is the image itself.
    await api.post('/build/prune?all=1');
    const restored = await build(context, { cachefrom: JSON.stringify([first.name]) });
    expect(restored.text.match(/Using cache/g)).toHaveLength(3);
    expect(restored.id).toBe(first.id);
  });

  it('tell the exit code of a command that fails, and keep the steps before it', async () => {
    const context = await contextOf(['RUN echo kept > /kept', 'RUN exit 7']);
    const failed = await build(context);
    expect(failed.text).toContain(
      '{"errorDetail":{"code":7,"message":"The command \'/bin/sh -c exit 7\' returned a non-zero code: 7"}',
    );
    expect((await build(context)).text.match(/Using cache/g)).toHaveLength(1);
    expect((await build(context, { q: '1' })).text).toContain('Step 2/3');
  });

  it('run their commands with the hosts and in the cgroup that they are told', async () => {
    const hosts = new URLSearchParams([
      ['networkmode', 'host'],
      ['cgroupparent', `/${instance.name}/elsewhere`],
      ['extrahosts', 'one:192.0.2.1'],
      ['extrahosts', 'two:192.0.2.2'],
    ]);
    const context = await contextOf([
      `RUN grep 192.0.2 /etc/hosts; cat /proc/self/cgroup # ${freshName('x')}`,
    ]);
    const { text } = await api.post(`/build?${hosts}`, context);
    expect(text).toContain('192.0.2.1\\tone\\n192.0.2.2\\ttwo\\n');
    expect(text).toContain(`:/${instance.name}/elsewhere/build-`);
    expect(text).toContain('Successfully built');
  });

  it('end when their client goes away, with what runs for them', async () => {
    const mark = freshName('sleeper');
    const context = await contextOf([`RUN echo ${mark}; sleep 600`]);
    const client = await beginBuild(instance.socket, context, mark);
    expect(await running()).toHaveLength(1);
    client.destroy();
    await eventually(async () => expect(await running()).toEqual([]), 20_000);

    async function running(): Promise<string[]> {
      const { body } = await api.get<{ name: string; state: string }[]>('/gantry/jobs');
      return body.filter(({ name, state }) => name === 'build' && state === 'active').map(({ name }) => name);
    }
  });

  it('leave a cache that outlives the image and can be pruned', async () => {
    const mark = freshName('cached');
    const context = await contextOf([`RUN echo ${mark} > /${mark}`]);
    const { name } = await build(context);
    expect(await cacheOf(mark)).toMatchObject([{ Type: 'regular', Shared: true, InUse: false }]);
    await api.delete(`/images/${name}`);
    expect(await cacheOf(mark)).toMatchObject([{ Shared: false, Size: mark.length + 1 }]);
    expect((await build(context)).text).toContain('Using cache');

    for (const built of names.splice(0)) await api.delete(`/images/${built}?force=1`);
    const labelled = encodeURIComponent(JSON.stringify({ label: ['of=another'] }));
    expect(await api.post(`/build/prune?filters=${labelled}`)).toMatchObject({
      status: 200,
      body: { CachesDeleted: null },
    });
    const filters = encodeURIComponent(JSON.stringify({ description: [mark] }));
    const pruned = await api.post<{ CachesDeleted: string[]; SpaceReclaimed: number }>(
      `/build/prune?filters=${filters}`,
    );
    expect(pruned.body).toMatchObject({
      CachesDeleted: [expect.any(String)],
      SpaceReclaimed: mark.length + 1,
    });
    expect(await cacheOf(mark)).toEqual([]);
    expect((await api.post('/build/prune?filters=%7B%22nonesuch%22%3A%5B%22x%22%5D%7D')).status).toBe(400);
  });

  it('run stages side by side, and not those that nobody needs', async () => {
    const meet = (own: string, other: string) =>
      `RUN --mount=type=cache,id=${mark},target=/m touch /m/${own}; for i in $(seq 200); do test -e /m/${other} && exit 0; sleep 0.1; done; exit 1`;
    const mark = freshName('meet');
    const built = await build(
      await tarOf([
        {
          header: { name: 'Dockerfile' },
          body: Buffer.from(
            [
              `FROM ${base}:1 AS left`,
              meet('left', 'right'),
              `FROM ${base}:1 AS unneeded`,
              'RUN exit 9',
              `FROM ${base}:1 AS right`,
              meet('right', 'left'),
              'FROM scratch',
              'COPY --from=left /etc/passwd /l',
              'COPY --from=right /etc/passwd /r',
            ].join('\n'),
          ),
        },
      ]),
    );
    expect(built.text).toContain('Successfully built');
    expect(built.text).not.toContain('unneeded');
    expect(built.text.match(/Step \d\/7/g)).toEqual([1, 2, 3, 4, 5, 6, 7].map((step) => `Step ${step}/7`));
  });
});
