import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { freshName } from '../support/containers';
import { api, docker } from '../support/engine';

interface History {
  Id: string;
  CreatedBy: string;
  Comment: string;
  Size: number;
}

const STEPS = [
  'COPY f /f',
  'RUN mkdir /d /again && echo 1 > /d/a && ln /d/a /d/c && chmod 4755 /d/a && touch /d/gone /again/x && mkfifo /d/p',
  'RUN rm -r /d/gone /again /old && mkdir /again && echo new > /again/new && ln -s a /d/l && rm /bin/zcat',
  'LABEL a=b',
  'RUN chmod 700 /d && chown 3:4 /d && rm /f && echo deep > /kept/deep/more',
];
const LOOK =
  'cd /; find d again old kept f bin/zcat | sort | xargs stat -c "%n %F %a %u %g"; stat -c "links: %h" d/a; cat /again/new';

describe('squash', () => {
  jest.setTimeout(60_000);
  const base = `${freshName('base')}:1`;
  const names: string[] = [base];

  beforeAll(async () => {
    const rootfs = `${freshName('rootfs')}:1`;
    names.push(rootfs);
    const [repository, tag] = rootfs.split(':');
    await api.post(
      `/images/create?fromSrc=-&repo=${repository}&tag=${tag}&changes=ENV%20PATH%3D%2Fbin`,
      await busyboxRootfs(),
    );
    await build(
      ['RUN mkdir -p /old/x /kept/deep && echo 1 > /old/x/y && echo 2 > /kept/deep/two'],
      rootfs,
      base,
    );
  });
  afterAll(async () => {
    for (const name of names.reverse()) await api.delete(`/images/${name}?force=1`);
    await api.post('/build/prune?all=1');
  });

  async function build(
    steps: string[],
    from: string,
    name = freshName('built'),
    query = '',
  ): Promise<string> {
    if (!names.includes(name)) names.push(name);
    const dockerfile = [`FROM ${from}`, ...steps].join('\n');
    const context = await tarOf(
      Object.entries({ Dockerfile: dockerfile, f: 'f' }).map(([file, body]) => ({
        header: { name: file },
        body: Buffer.from(body),
      })),
    );
    const { text } = await api.post(`/build?t=${name}${query}`, context);
    expect(text).toContain(`Successfully tagged ${name}`);
    return name;
  }

  const idOf = async (name: string) => (await api.get<{ Id: string }>(`/images/${name}/json`)).body.Id;
  const layersOf = async (name: string) =>
    (await api.get<{ RootFS: { Layers: string[] } }>(`/images/${name}/json`)).body.RootFS.Layers;
  const historyOf = async (name: string) => (await api.get<History[]>(`/images/${name}/history`)).body;

  it('makes one layer of all steps, with the same files', async () => {
    const plain = await build(STEPS, base);
    const squashed = await build(STEPS, base, undefined, '&squash=1');
    const below = await layersOf(base);
    expect((await layersOf(plain)).length).toBe(below.length + 4);
    expect((await layersOf(squashed)).slice(0, -1)).toEqual(below);
    const [seen, wanted] = await Promise.all(
      [squashed, plain].map(async (name) => (await docker(['run', '--rm', name, 'sh', '-c', LOOK])).stdout),
    );
    expect(seen).toBe(wanted);
    expect(seen).toContain('links: 2\n');
    const [merge, ...steps] = await historyOf(squashed);
    expect(merge).toMatchObject({
      CreatedBy: '',
      Comment: `merge ${await idOf(plain)} to ${await idOf(base)}`,
    });
    expect(steps.slice(0, STEPS.length).map(({ Size }) => Size)).toEqual(STEPS.map(() => 0));
    expect(steps.map(({ CreatedBy }) => CreatedBy)).toEqual(
      (await historyOf(plain)).map(({ CreatedBy }) => CreatedBy),
    );
  });

  it('of what has no base, and of what changes no file', async () => {
    const fresh = await build(['COPY f /f', 'COPY f /g'], 'scratch', undefined, '&squash=1');
    expect(await layersOf(fresh)).toHaveLength(1);
    expect((await historyOf(fresh))[0]?.Comment).toMatch(/^create new from sha256:/);
    const labelled = await build(['LABEL a=b'], base, undefined, '&squash=1');
    expect(await layersOf(labelled)).toEqual(await layersOf(base));
  });
});
