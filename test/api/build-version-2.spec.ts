import { StatusResponse } from '@gantry/proto/buildkit';
import { tarOf } from '../support/busybox-image';
import { freshName } from '../support/containers';
import { api, docker } from '../support/engine';

interface Line {
  id?: string;
  aux?: string | { ID: string };
  stream?: string;
  error?: string;
}

describe('POST /build with version=2', () => {
  const names: string[] = [];
  afterAll(async () => {
    for (const name of names) await api.delete(`/images/${name}?force=1`);
    await api.post('/build/prune?all=1');
  });

  async function build(dockerfile: string[], query: Record<string, string> = {}) {
    const body = Buffer.from(dockerfile.join('\n'));
    const context = await tarOf([{ header: { name: 'Dockerfile' }, body }]);
    const { status, text } = await api.post(
      `/build?${new URLSearchParams({ version: '2', ...query })}`,
      context,
    );
    if (status !== 200) return { status, text, lines: [], traces: [] };
    const lines = text
      .split('\r\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line);
    const traces = lines
      .filter(({ id }) => id === 'moby.buildkit.trace')
      .map(({ aux }) => StatusResponse.decode(Buffer.from(aux as string, 'base64')));
    return { status, text, lines, traces };
  }

  it('builds from its body, and tells it as BuildKit does', async () => {
    const name = freshName('v2');
    names.push(name);
    const { lines, traces } = await build(
      ['FROM busybox', 'ARG A', 'RUN echo $A > /a; cat /a', 'LABEL b=c'],
      {
        t: name,
        buildargs: JSON.stringify({ A: 'given', NONE: null }),
        labels: JSON.stringify({ l: 'm' }),
        outputs: JSON.stringify([{ Type: 'moby', Attrs: {} }]),
      },
    );
    const logs = traces.flatMap((trace) => trace.logs.map(({ msg }) => msg.toString()));
    expect(logs.join('')).toBe('given\n');
    expect(traces.flatMap(({ vertexes }) => vertexes.map((vertex) => vertex.name))).toContain(
      '[2/2] RUN echo given > /a; cat /a',
    );
    const { body } = await api.get<{ Id: string; Config: { Labels: object } }>(`/images/${name}/json`);
    expect(lines.at(-1)).toEqual({ id: 'moby.image.id', aux: { ID: body.Id } });
    expect(body.Config.Labels).toEqual({ b: 'c', l: 'm' });
    expect((await docker(['run', '--rm', name, 'cat', '/a'])).stdout).toBe('given\n');
  });

  it('says only the id, where that is asked for', async () => {
    const { lines } = await build(['FROM busybox', 'LABEL quiet=1'], { q: '1' });
    expect(lines).toEqual([{ stream: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/) }]);
  });

  it('ends with the error of the step that failed', async () => {
    const { lines } = await build(['FROM busybox', 'RUN exit 3']);
    expect(lines.at(-1)?.error).toBe(
      'process "/bin/sh -c exit 3" did not complete successfully: exit code: 3',
    );
  });

  it.each([
    [{ outputs: '[{"Type":"tar"},{"Type":"local"}]' }, 'multiple outputs not supported'],
    [{ outputs: '[{"Type":"nonesuch"}]' }, 'exporter "nonesuch" could not be found'],
    [{ outputs: '[{"Type":"tar"}]' }, 'the client of the build takes no files'],
    [{ outputs: '{' }, 'error reading outputs'],
    [{ networkmode: 'mine' }, 'network mode "mine" not supported by buildkit'],
    [{ session: 'none' }, 'no active session for none'],
  ])('refuses %j', async (query, message) => {
    expect((await build(['FROM busybox'], query)).text).toContain(message.replaceAll('"', '\\"'));
  });
});
