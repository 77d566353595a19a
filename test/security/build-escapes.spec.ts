import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { busyboxRootfs } from '../support/busybox-image';
import { api } from '../support/engine';
import { rawTar } from '../support/raw-tar';

type Entry = Parameters<typeof rawTar>[0][number];

const SECRET = 'what only the host knows';

let host: string;
let listed: string[];

beforeAll(async () => {
  host = mkdtempSync(join(tmpdir(), 'escape-'));
  mkdirSync(join(host, 'directory'));
  writeFileSync(join(host, 'secret'), SECRET);
  listed = readdirSync(host);
  const answer = await api.post(
    '/images/create?fromSrc=-&repo=escape&tag=base&changes=ENV%20PATH=/bin',
    await busyboxRootfs(),
  );
  expect(answer.status).toBe(200);
});

afterEach(() => {
  expect(readdirSync(host)).toEqual(listed);
  expect(readdirSync(join(host, 'directory'))).toEqual([]);
  expect(readFileSync(join(host, 'secret'), 'utf8')).toBe(SECRET);
});

afterAll(async () => {
  for (const tag of ['built', 'base']) await api.delete(`/images/escape:${tag}?force=1`);
  rmSync(host, { recursive: true, force: true });
});

/** All that the engine says of a build. `$HOST` in the Dockerfile is the host's directory. */
async function build(dockerfile: string, entries: Entry[] = []): Promise<string> {
  const text = `FROM escape:base\n${dockerfile}`.replaceAll('$HOST', host);
  const context = rawTar([{ name: 'Dockerfile', body: text }, ...entries]);
  const { text: said } = await api.post('/build?t=escape:built&nocache=1&networkmode=none', context);
  expect(said).not.toContain(SECRET);
  return said;
}

const built = 'Successfully built';
const symlink = (name: string, linkName: string): Entry => ({ name, flag: '2', linkName });

describe('COPY', () => {
  it('--from follows the symlinks of a stage inside of it', async () => {
    const stage =
      'RUN ln -s $HOST /abs && ln -s ../../../../../..$HOST /rel && ln -s /proc/1/root$HOST /magic\n';
    for (const way of ['abs', 'rel', 'magic']) {
      const said = await build(`${stage}FROM escape:base\nCOPY --from=0 /${way}/secret /stolen`);
      expect(said).toContain('file does not exist');
    }
    // Of the image, where such a path is, it is taken.
    const own = `RUN mkdir -p $HOST && echo own >$HOST/secret && ln -s $HOST /abs\nFROM escape:base\n`;
    expect(await build(`${own}COPY --from=0 /abs/secret /x\nRUN cat /x`)).toContain('own');
  });

  it('writes through the symlinks of an image inside of it', async () => {
    const said = await build(
      `RUN ln -s $HOST /abs && ln -s ../../../../../..$HOST /rel && ln -s $HOST/secret /file
       COPY a /abs/a
       COPY a /rel/secret
       COPY a /file
       COPY d /rel/directory/
       RUN cat $HOST/secret`,
      [
        { name: 'a', body: 'from the context' },
        { name: 'd/', flag: '5' },
        { name: 'd/in', body: 'x' },
      ],
    );
    expect(said).toContain('from the context');
    expect(said).toContain(built);
  });

  it.each([
    ['a symlink', 'link', 'stat link: file does not exist'],
    ['a symlink on the way', 'way/secret', 'stat way/secret: file does not exist'],
    ['dots', '../../../../../..$HOST/secret', 'forbidden path outside the build context'],
  ])('takes nothing from outside of the context by %s', async (_title, source, message) => {
    const entries = [symlink('link', join(host, 'secret')), symlink('way', host)];
    expect(await build(`COPY ${source} /stolen`, entries)).toContain(message);
  });

  it('reads owners from no file of the host', async () => {
    const said = await build('RUN ln -sf $HOST/secret /etc/passwd\nCOPY --chown=nobody a /a', [
      { name: 'a' },
    ]);
    expect(said).toContain("can't find uid for user nobody");
  });
});

describe('contexts', () => {
  it.each<[string, Entry[], string]>([
    ['..', [{ name: '../../escaped', body: 'x' }], 'is outside of the root'],
    ['.. within', [{ name: 'a/../../../escaped', body: 'x' }], 'is outside of the root'],
    [
      'a hard link out',
      [{ name: 'a', flag: '1', linkName: '../../../etc/passwd' }],
      'is outside of the root',
    ],
    ['a hard link to nothing', [{ name: 'a', flag: '1', linkName: '/etc/passwd' }], 'invalid hard link'],
  ])('with %s are refused', async (_title, entries, message) => {
    expect(await build('COPY . /x', entries)).toContain(message);
  });

  it('with symlinks before files, absolute names and devices touch no host', async () => {
    const said = await build('COPY . /x', [
      symlink('way', host),
      { name: 'way/written', body: 'x' },
      { name: join(host, 'absolute'), body: 'x' },
      { name: 'memory', flag: '3', major: 1, minor: 1 },
    ]);
    expect(said).toContain(built);
  });

  it('whose Dockerfile is a symlink to the host have none', async () => {
    const context = rawTar([
      symlink('Dockerfile', join(host, 'secret')),
      symlink('.dockerignore', '/etc/passwd'),
    ]);
    const { text } = await api.post('/build?t=escape:built', context);
    expect(text).toContain('Cannot locate specified Dockerfile: Dockerfile');
  });
});

describe('ADD', () => {
  it.each<[string, Entry[]]>([
    ['..', [{ name: '../../../../../../../../tmp/escaped', body: 'x' }]],
    ['a symlink and a file through it', [symlink('way', '$HOST'), { name: 'way/written', body: 'x' }]],
    ['a symlink to a file', [symlink('way', '$HOST/secret'), { name: 'way', body: 'x' }]],
    ['a hard link', [{ name: 'a', flag: '1', linkName: '$HOST/secret' }]],
    ['a hard link by a symlink', [symlink('way', '$HOST'), { name: 'a', flag: '1', linkName: 'way/secret' }]],
  ])('unpacks an archive with %s inside the image', async (_title, entries) => {
    const inner = entries.map(({ linkName, ...entry }) => ({
      ...entry,
      ...(linkName !== undefined && { linkName: linkName.replace('$HOST', host) }),
    }));
    for (const body of [rawTar(inner), gzipSync(rawTar(inner))]) {
      await build('ADD a.tar /unpacked/\nRUN find /unpacked -type f -exec cat {} +', [
        { name: 'a.tar', body },
      ]);
    }
  });

  it('does not take what a symlink in the image names for the destination', async () => {
    const body = rawTar([{ name: 'written', body: 'inner' }]);
    const said = await build('RUN ln -s $HOST /out\nADD a.tar /out/\nRUN cat $HOST/written', [
      { name: 'a.tar', body },
    ]);
    expect(said).toContain('inner');
  });
});

describe('RUN --mount', () => {
  it('follows the symlinks of its source inside of it', async () => {
    const entries = [symlink('link', host), symlink('up', `../../../../../../..${host}`)];
    for (const source of ['link', 'link/secret', 'up', `../../../../../../..${host}`]) {
      const said = await build(`RUN --mount=source=${source},target=/m cat /m /m/secret`, entries);
      expect(said).not.toContain(built);
    }
    const stage = 'RUN ln -s $HOST /abs && ln -s /proc/1/root$HOST /magic\nFROM escape:base\n';
    for (const source of ['/abs', '/abs/secret', '/magic']) {
      const said = await build(`${stage}RUN --mount=from=0,source=${source},target=/m cat /m /m/secret`);
      expect(said).not.toContain(built);
    }
  });

  it('takes a source that another step has swapped for a symlink as it is in the stage', async () => {
    const said = await build(
      `RUN mkdir -p /s/sub && echo stage >/s/sub/secret
       FROM escape:base
       RUN --mount=from=0,source=/s,target=/m,rw rm -r /m/sub && ln -s $HOST /m/sub && ls -l /m
       RUN --mount=from=0,source=/s,target=/m,rw cat /m/sub/secret && rm -r /m/sub && ln -s $HOST /m/sub
       RUN --mount=from=0,source=/s/sub,target=/m cat /m/secret`,
    );
    expect(said).toContain(built);
    expect(said.match(/stage\\n/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it('keeps caches that are full of symlinks, or called like paths, where caches are', async () => {
    const id = `../../../../../../../..${host}/directory`;
    const said = await build(
      `RUN --mount=type=cache,id=${id},target=/c ln -sf $HOST /c/out && touch /c/kept
       RUN --mount=type=cache,id=${id},target=/c ls /c && ! cat /c/out/secret
       RUN --mount=type=cache,target=$HOST/directory touch $HOST/directory/in-the-cache`,
    );
    expect(said).toContain(built);
  });

  it('mounts on symlinks of the image inside of it', async () => {
    const said = await build(
      `RUN mkdir -p $HOST/directory && ln -s $HOST /out
       RUN --mount=source=d,target=/out/made cat $HOST/made/in
       RUN --mount=type=tmpfs,target=/out/directory touch /out/directory/x`,
      [
        { name: 'd/', flag: '5' },
        { name: 'd/in', body: 'from the context' },
      ],
    );
    expect(said).toContain('from the context');
    expect(said).toContain(built);
    // A symlink that leads nowhere in the image is nothing to mount on.
    const nowhere = 'RUN ln -s $HOST /out && ln -s /proc/1/root$HOST /magic\n';
    for (const target of ['/out/made', '/magic/made']) {
      expect(await build(`${nowhere}RUN --mount=type=tmpfs,target=${target} true`)).not.toContain(built);
    }
  });
});

describe('WORKDIR', () => {
  it('leads to no descriptor of whoever starts the process', async () => {
    const up = '../../../../../../../..';
    for (const descriptor of [3, 5, 7, 8, 9, 10, 12, 15]) {
      await build(
        `WORKDIR /proc/self/fd/${descriptor}\nRUN cat ${up}$HOST/secret; ls ${up}$HOST; touch ${up}$HOST/written; true`,
      );
    }
  });

  it('through a symlink to the host is a directory of the image', async () => {
    const said = await build(
      'RUN ln -s $HOST /out\nWORKDIR /out/made\nRUN pwd && touch here && ls $HOST/made',
    );
    expect(said).toContain('here');
  });
});
