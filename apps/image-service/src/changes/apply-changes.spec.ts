import { applyChanges } from './apply-changes';

describe('Dockerfile instructions on an image configuration', () => {
  test.each<[string, string[], object]>([
    ['CMD as a list', ['CMD ["echo","a b"]'], { Cmd: ['echo', 'a b'] }],
    ['CMD as a line', ['cmd echo $X'], { Cmd: ['/bin/sh', '-c', 'echo $X'] }],
    ['ENTRYPOINT takes CMD away', ['ENTRYPOINT ["x"]'], { Entrypoint: ['x'], Cmd: null }],
    ['ENTRYPOINT after CMD does not', ['CMD ["c"]', 'ENTRYPOINT ["x"]'], { Entrypoint: ['x'], Cmd: ['c'] }],
    [
      'ENV in all its forms',
      ['ENV A=1 B="two words" C=x\\ y', 'ENV OLD the rest', 'ENV P=$PATH:${A}:${N:-d}'],
      {
        Env: ['PATH=/bin', 'A=1', 'B=two words', 'C=x y', 'OLD=the rest', 'P=/bin:1:d'],
      },
    ],
    ['ENV in place', ['ENV PATH=/sbin'], { Env: ['PATH=/sbin'] }],
    ['LABEL', ["LABEL a=b c='d e' f"].map((line) => line.slice(0, -2)), { Labels: { a: 'b', c: 'd e' } }],
    [
      'EXPOSE',
      ['EXPOSE 80 53/udp 90-91/tcp'],
      {
        ExposedPorts: { '80/tcp': {}, '53/udp': {}, '90/tcp': {}, '91/tcp': {} },
      },
    ],
    ['VOLUME', ['VOLUME /a /b', 'VOLUME ["/c d"]'], { Volumes: { '/a': {}, '/b': {}, '/c d': {} } }],
    ['WORKDIR', ['WORKDIR /a', 'WORKDIR b/../c'], { WorkingDir: '/a/c' }],
    ['WORKDIR that ends in a slash', ['WORKDIR /a/', 'WORKDIR b/$MISSING'], { WorkingDir: '/a/b' }],
    ['USER and STOPSIGNAL', ['USER bob', 'STOPSIGNAL SIGINT'], { User: 'bob', StopSignal: 'SIGINT' }],
    ['ONBUILD', ['ONBUILD RUN true'], { OnBuild: ['RUN true'] }],
    [
      'HEALTHCHECK',
      ['HEALTHCHECK --interval=1m30s --retries=4 CMD curl x'],
      {
        Healthcheck: { Test: ['CMD-SHELL', 'curl x'], Interval: 90e9, Retries: 4 },
      },
    ],
    ['HEALTHCHECK as a list', ['HEALTHCHECK CMD ["a"]'], { Healthcheck: { Test: ['CMD', 'a'] } }],
    ['HEALTHCHECK NONE', ['HEALTHCHECK NONE'], { Healthcheck: { Test: ['NONE'] } }],
    ['a comment and an empty line', ['# no', ''], {}],
  ])('%s', (_title, changes, expected) => {
    const config = { Env: ['PATH=/bin'], Cmd: ['old'] };
    expect(applyChanges(config, changes)).toEqual({ ...config, ...expected });
    expect(config).toEqual({ Env: ['PATH=/bin'], Cmd: ['old'] });
  });

  test.each([
    ['RUN x', 'RUN is not a valid change command'],
    ['FOO x', 'FOO is not a valid change command'],
    ['EXPOSE x', 'invalid containerPort: x'],
    ['EXPOSE 70000', 'invalid containerPort'],
    ['VOLUME $MISSING', 'VOLUME specified can not be an empty string'],
    ['ENV', 'ENV requires at least one argument'],
    ['LABEL a', 'LABEL must have two arguments'],
    ['ONBUILD FROM x', "FROM isn't allowed as an ONBUILD trigger"],
    ['HEALTHCHECK FOO', 'Unknown type "FOO" in HEALTHCHECK (try CMD)'],
    ['HEALTHCHECK --interval=x CMD y', 'invalid duration'],
  ])('refuses %s', (change, message) => {
    expect(() => applyChanges({}, [change])).toThrow(message);
  });
});
