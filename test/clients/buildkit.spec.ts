import { randomBytes } from 'node:crypto';
import { buildWithSession, type OfferedFile, pruneCache } from '../support/buildkit-client';
import { api, docker, instance } from '../support/engine';

const file = (path: string, content: string, more: Partial<OfferedFile> = {}): OfferedFile => ({
  path,
  content,
  ...more,
});
const dockerfile = (text: string) => file('Dockerfile', text);

describe('a client of BuildKit', () => {
  const name = `buildkit-${randomBytes(4).toString('hex')}:1`;

  it('builds from the files of its session', async () => {
    const large = 'x'.repeat(3_000_000);
    const outcome = await buildWithSession(
      instance.socket,
      [
        dockerfile('FROM busybox\nCOPY . /ctx\nRUN sh /ctx/sub/run; echo bad >&2\n'),
        file('empty', ''),
        file('large', large),
        { path: 'link', target: 'sub/run' },
        { path: 'sub' },
        file('sub/run', 'ls /ctx; wc -c </ctx/large; readlink /ctx/link', { executable: true }),
      ],
      { names: `docker.io/library/${name}` },
    );
    expect(outcome).toMatchObject({ error: '' });
    expect(outcome.log).toBe('Dockerfile\nempty\nlarge\nlink\nsub\n3000000\nsub/run\nbad\n');
    expect([...outcome.vertexes.keys()]).toEqual([
      '[internal] load build definition from Dockerfile',
      '[internal] load .dockerignore',
      '[internal] load build context',
      '[internal] load metadata for docker.io/library/busybox:latest',
      '[1/3] FROM docker.io/library/busybox:latest',
      '[2/3] COPY . /ctx',
      '[3/3] RUN sh /ctx/sub/run; echo bad >&2',
      'exporting to image',
    ]);
    expect([...outcome.vertexes.values()].every(({ completed, error }) => completed && error === '')).toBe(
      true,
    );
    const { body } = await api.get<{ Id: string }>(`/images/${name}/json`);
    expect(outcome.response).toMatchObject({ 'containerimage.config.digest': body.Id });
    expect(outcome.parts).toEqual([
      'transferring dockerfile:',
      'transferring context:',
      'exporting layers',
      `writing image ${body.Id}`,
      `naming to docker.io/library/${name}`,
    ]);
    const { stdout } = await docker(['run', '--rm', name, 'stat', '-c', '%a', '/ctx/sub/run', '/ctx/empty']);
    expect(stdout).toBe('755\n644\n');
    await docker(['rmi', name]);
  });

  it('runs the frontend itself, and makes its result the base of another build', async () => {
    const mark = randomBytes(4).toString('hex');
    const base = await buildWithSession(
      instance.socket,
      [dockerfile(`FROM busybox\nRUN echo ${mark} > /mark\n`)],
      { inputs: {} },
    );
    expect([base.error, base.definition?.def]).toMatchObject(['', { length: 2 }]);
    const linked = await buildWithSession(
      instance.socket,
      [dockerfile('FROM base\nRUN cat /mark\nCOPY --from=base /mark /again\n')],
      {
        inputs: { '0-base': base.definition ?? { def: [], metadata: {} } },
        attributes: { 'context:base': 'input:0-base', 'input-metadata:0-base': '{}' },
      },
    );
    expect([linked.error, linked.log]).toEqual(['', `${mark}\n`]);
    const failed = await buildWithSession(instance.socket, [dockerfile('FROM busybox\nRUN exit 3\n')], {
      inputs: {},
    });
    expect(failed.error).toContain('exit code: 3');
  });

  it('asks what there is to say of a Dockerfile, and sends no context', async () => {
    const text =
      '# who to greet\nARG who=you\nFROM busybox AS Base\nARG who\nRUN --mount=type=secret,id=s true\nCMD a\n';
    const ask = async (what: string, of = text) => {
      const requestid = `frontend.${what}`;
      const { error, metadata, vertexes } = await buildWithSession(instance.socket, [dockerfile(of)], {
        inputs: {},
        attributes: { requestid },
      });
      expect([error, vertexes.size]).toEqual(['', 2]);
      return metadata;
    };
    const lint = await ask('lint');
    const { warnings } = JSON.parse(String(lint['result.json'])) as { warnings: { ruleName: string }[] };
    expect(warnings.map(({ ruleName }) => ruleName)).toEqual(['StageNameCasing', 'JSONArgsRecommended']);
    expect(String(lint['result.statuscode'])).toBe('1');
    const broken = JSON.parse(String((await ask('lint', 'FROM busybox\nFROB\n'))['result.json'])) as object;
    expect(broken).toMatchObject({
      buildError: {
        message: expect.stringContaining('unknown instruction: FROB') as string,
        location: { ranges: [{ start: { line: 2 } }] },
      },
    });
    expect(String((await ask('targets'))['result.txt'])).toBe(
      'TARGET         DESCRIPTION\nbase (default) \n',
    );
    expect(String((await ask('outline'))['result.txt'])).toBe(
      'TARGET: base\n\nBUILD ARG   VALUE   DESCRIPTION\nwho         you     to greet\n\nSECRET   REQUIRED\ns        \n\n',
    );
  });

  it('is warned while it builds, and a Dockerfile may want that to end the build', async () => {
    const build = (text: string) => buildWithSession(instance.socket, [dockerfile(text)]);
    const warning =
      'JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals';
    const warned = await build('FROM busybox\nCMD a\n');
    expect([warned.error, warned.warnings]).toEqual(['', [`${warning} (line 2)`]]);
    const strict = await build('# check=error=true\nFROM busybox\nCMD a\n');
    expect([strict.error, strict.warnings]).toEqual([
      'lint violation found for rules: JSONArgsRecommended',
      [`${warning} (line 3)`],
    ]);
    const skipped = await build('# check=skip=JSONArgsRecommended;error=true\nFROM busybox\nCMD a\n');
    expect([skipped.error, skipped.warnings]).toEqual(['', []]);
  });

  it('is asked to leave out what the ignore file names', async () => {
    const outcome = await buildWithSession(instance.socket, [
      file('.dockerignore', '# a comment\n\n/a/\n!a/b\n *.log \n'),
      dockerfile('FROM scratch\nCOPY Dockerfile /\n'),
    ]);
    expect([outcome.error, outcome.warnings]).toEqual(['', []]);
    expect(outcome.excluded).toEqual(['a', '!a/b', '*.log']);
  });

  it.each([
    ['no Dockerfile', [], {}, 'failed to read dockerfile: open Dockerfile: no such file or directory'],
    ['an unknown instruction', [dockerfile('FROM busybox\nFOO x\n')], {}, 'unknown instruction: FOO'],
    [
      'a command that fails',
      [dockerfile('FROM busybox\nRUN exit 7\n')],
      {},
      'process "/bin/sh -c exit 7" did not complete successfully: exit code: 7',
    ],
    ['a request that there is not', [], { requestid: 'frontend.x' }, 'unsupported request frontend.x'],
  ])('hears of %s', async (_what, files, attributes, message) => {
    const outcome = await buildWithSession(instance.socket, files, { attributes });
    expect(outcome.error).toContain(message);
    expect(outcome.response).toEqual({});
  });

  it('prunes what its filters say, and nothing for a filter that there is not', async () => {
    const mark = randomBytes(6).toString('hex');
    const files = ['a', 'b'].map((name) => [dockerfile(`FROM busybox\nRUN echo ${mark} ${name}\n`)]);
    for (const one of files)
      expect(await buildWithSession(instance.socket, one)).toMatchObject({ error: '' });
    await expect(pruneCache(instance.socket, ['nonesuch==x'])).rejects.toThrow(
      'failed to parse prune filters [nonesuch==x]',
    );
    expect(await pruneCache(instance.socket, [`description~=${mark} c`])).toEqual([]);
    expect(await pruneCache(instance.socket, [`description~=${mark} a`])).toHaveLength(1);
    expect(await pruneCache(instance.socket, [`description~=${mark}`])).toHaveLength(1);
  });

  it('is told where it does not ask for HTTP/2', async () => {
    for (const path of ['/grpc', '/session']) {
      expect(await api.post(path)).toMatchObject({
        status: 400,
        body: { message: 'no upgrade proto in request' },
      });
    }
  });
});
