import type { CommandLine, Instruction } from './dockerfile';
import { parseDockerfile, parseTrigger } from './parse-dockerfile';

const instructions = (text: string): Instruction[] =>
  parseDockerfile(`FROM a\n${text}`).stages.at(-1)?.instructions ?? [];
const one = (text: string): Instruction => {
  const [instruction, ...more] = instructions(text);
  if (!instruction || more.length > 0) throw new Error(`${more.length + 1} instructions`);
  return instruction;
};
const shell = (line: string): CommandLine => ({ form: 'shell', words: [line], documents: [] });
const exec = (...words: string[]): CommandLine => ({ form: 'exec', words, documents: [] });

describe('lines', () => {
  test('comments and empty lines within a continuation do not count', () => {
    const file = parseDockerfile('FROM a\nRUN echo a \\\n# no\n  # no\n\n && b \\\nCMD c');
    expect(file.stages[0]?.instructions).toMatchObject([
      { kind: 'run', command: shell('echo a  && b CMD c'), origin: { line: 2, endLine: 7 } },
    ]);
    expect(file.continuations).toMatchObject([{ line: 2, text: 'RUN echo a  && b CMD c' }]);
  });

  test.each<[string, string, string]>([
    ['blanks after the escape', 'RUN a \\  \t\n  b', 'a   b'],
    ['an escaped escape does not continue', 'RUN a\\\\\n', 'a\\\\'],
    ['carriage returns', 'RUN a \\\r\nb\r\n', 'a b'],
    ['the end of the file', 'RUN a \\', 'a'],
    ['a comment sign in a line', 'RUN a # b', 'a # b'],
    ['lower case', 'run a', 'a'],
  ])('%s', (_title, text, line) => {
    expect(one(text)).toMatchObject({ command: shell(line) });
  });

  test('a byte-order mark is not there', () => {
    expect(parseDockerfile('\ufeffFROM a').stages).toHaveLength(1);
  });
});

describe('parser directives', () => {
  test.each<[string, string, string]>([
    ['escape', '# escape=`\nFROM a\nRUN a `\nb\\\n', 'a b\\'],
    ['all of them', '#syntax=docker/dockerfile:1\n# check=skip=all\n#Escape = `\nFROM a\nRUN a `\nb', 'a b'],
    ['none after a comment', '# hi\n# escape=`\nFROM a\nRUN a `', 'a `'],
    ['none after an unknown one', '# foo=bar\n# escape=`\nFROM a\nRUN a `', 'a `'],
    [
      'a line for the shell before',
      '#!/usr/bin/env x\n# syntax=docker/dockerfile-upstream:master\nFROM a\nRUN a',
      'a',
    ],
  ])('%s', (_title, text, line) => {
    expect(parseDockerfile(text).stages[0]?.instructions).toMatchObject([{ command: shell(line) }]);
  });
});

describe('here-documents', () => {
  test.each<[string, string, object[]]>([
    ['one', 'RUN <<EOF\na\n# b\n  EOF\nEOF', [{ name: 'EOF', content: 'a\n# b\n  EOF\n', expand: true }]],
    ['escapes in it', 'RUN <<EOF\na \\\nb\nEOF', [{ content: 'a \\\nb\n' }]],
    ['tabs', 'RUN <<-EOF cat\n\ta\n\tEOF', [{ name: 'EOF', content: '\ta\n', chomp: true }]],
    ['a quoted name', `RUN <<'E O' x\n$a\nE O`, [{ name: 'E O', content: '$a\n', expand: false }]],
    ['a descriptor', 'RUN 3<<EOF cat\na\nEOF', [{ content: 'a\n' }]],
    ['a blank before the name', 'RUN cat << EOF\na\nEOF', [{ content: 'a\n' }]],
    ['two', 'RUN cat <<A <<B\n1\nA\n2\nB', [{ content: '1\n' }, { content: '2\n' }]],
    ['none in quotes', 'RUN echo "<<EOF"', []],
    ['none of three signs', 'RUN cat <<<EOF', []],
    ['empty', 'RUN <<EOF\nEOF', [{ content: '' }]],
  ])('%s', (_title, text, documents) => {
    const run = one(text);
    expect(run.kind === 'run' && run.command.documents).toMatchObject(documents);
  });

  test('are no documents of other instructions', () => {
    expect(one('LABEL a=<<EOF')).toMatchObject({ pairs: [['a', '<<EOF']] });
  });

  test('are sources of COPY beside files', () => {
    expect(one('COPY f <<a <<b /d/\n1\na\n2\nb')).toMatchObject({
      sources: ['f'],
      documents: [
        { name: 'a', content: '1\n' },
        { name: 'b', content: '2\n' },
      ],
      destination: '/d/',
    });
  });

  test('go into a trigger and come out of it', () => {
    const onbuild = one('ONBUILD RUN <<E\na\nE');
    expect(onbuild).toMatchObject({ kind: 'onbuild', trigger: 'RUN <<E\na\nE' });
    expect(parseTrigger('RUN <<E\na\nE')).toMatchObject({ command: { documents: [{ content: 'a\n' }] } });
  });
});

describe('stages', () => {
  test('names, platforms and arguments before them', () => {
    const file = parseDockerfile('ARG A=1 B\nFROM --platform=$X a:$A as One\nFROM one');
    expect(file.globals).toMatchObject([{ arguments: [{ name: 'A', value: '1' }, { name: 'B' }] }]);
    expect(file.stages).toMatchObject([
      { name: 'one', base: 'a:$A', platform: '$X', origin: { text: 'FROM --platform=$X a:$A as One' } },
      { name: '', base: 'one', platform: '' },
    ]);
  });
});

describe('instructions', () => {
  test.each<[string, string, object]>([
    ['exec form', 'CMD [ "a", "b c" ]', { kind: 'cmd', command: exec('a', 'b c') }],
    ['no list after all', "CMD ['a']", { command: shell("['a']") }],
    ['CMD with nothing', 'CMD', { command: { form: 'shell', words: [] } }],
    ['ENTRYPOINT', 'ENTRYPOINT a b', { kind: 'entrypoint', command: shell('a b') }],
    [
      'RUN with flags',
      'RUN --mount=type=cache,target=/c --network=none --security=sandbox \\\n a --b',
      { mounts: ['type=cache,target=/c'], network: 'none', security: 'sandbox', command: shell('a --b') },
    ],
    ['flags end', 'RUN -- --x', { command: shell('--x') }],
    [
      'ENV',
      'ENV A=1 B="x y" C=\\ d',
      {
        pairs: [
          ['A', '1'],
          ['B', '"x y"'],
          ['C', '\\ d'],
        ],
      },
    ],
    ['old ENV', 'ENV A  b  c', { pairs: [['A', 'b  c']] }],
    ['ARG', 'ARG A B="c d"', { arguments: [{ name: 'A' }, { name: 'B', value: '"c d"' }] }],
    ['VOLUME as a list', 'VOLUME ["/a b"]', { values: ['/a b'] }],
    ['EXPOSE', 'EXPOSE 90 80/udp', { values: ['80/udp', '90'] }],
    ['SHELL', 'SHELL ["a"]', { values: ['a'] }],
    ['WORKDIR with blanks', 'WORKDIR /a b', { value: '/a b' }],
    [
      'COPY with flags',
      'COPY --from=x --chown=a:b --chmod=644 --link --parents --exclude=*.a --exclude=b s1 s2 d/',
      {
        from: 'x',
        chown: 'a:b',
        chmod: '644',
        link: true,
        parents: true,
        exclude: ['*.a', 'b'],
        sources: ['s1', 's2'],
        destination: 'd/',
      },
    ],
    [
      'ADD with flags',
      'ADD --checksum=sha256:1 --keep-git-dir=true --unpack=false u d',
      { kind: 'add', checksum: 'sha256:1', keepGitDir: true, unpack: false },
    ],
    ['COPY as a list', 'COPY ["a b", "c"]', { sources: ['a b'], destination: 'c' }],
    [
      'HEALTHCHECK',
      'HEALTHCHECK --interval=1m30s --timeout=.5s --start-period=0 --retries=3 CMD curl x',
      { health: { Test: ['CMD-SHELL', 'curl x'], Interval: 90e9, Timeout: 5e8, Retries: 3 } },
    ],
    ['no HEALTHCHECK', 'HEALTHCHECK none', { health: { Test: ['NONE'] } }],
    ['MAINTAINER', 'MAINTAINER a  b', { value: 'a  b' }],
  ])('%s', (_title, text, expected) => {
    expect(one(text)).toMatchObject(expected);
  });
});

describe('errors', () => {
  const failure = (text: string, file?: string): string => {
    try {
      parseDockerfile(text, file);
    } catch (error) {
      expect(error).toMatchObject({ kind: 'InvalidArgument' });
      return (error as Error).message;
    }
    return 'none';
  };

  test.each([
    ['', 'the Dockerfile (D) cannot be empty'],
    ['# a\n', 'failed to parse D: file with no instructions'],
    ['ARG a\n', 'failed to parse D: no build stage in current context: expected FROM'],
  ])('of the whole file %j', (text, message) => {
    expect(failure(text, 'D')).toBe(message);
  });

  test.each([
    ['# escape=x', "1: invalid escape token 'x' does not match ` or \\"],
    ['# escape=`\n# escape=`', '2: only one escape parser directive can be used'],
    ['# syntax=me/mine:1', '1: unsupported frontend me/mine:1: expected docker/dockerfile'],
    ['# check=error=maybe', '1: failed to parse check option "error=maybe": invalid syntax'],
    ['# check=x=1', '1: invalid check option "x"'],
    ['RUN a', '1: no build stage in current context'],
    ['FROM a b', '1: FROM requires either one or three arguments'],
    ['FROM', '1: FROM requires either one or three arguments'],
    [
      'FROM a AS 0',
      '1: invalid name for build stage: "0", name can\'t start with a number or contain symbols',
    ],
    ['FROM --foo=1 a', '1: Unknown flag: foo'],
  ])('before a stage: %j', (text, message) => {
    expect(failure(text)).toBe(`dockerfile parse error on line ${message}`);
  });

  test.each([
    ['FOO bar', 'unknown instruction: FOO'],
    ['constructor', 'unknown instruction: CONSTRUCTOR'],
    ['ENV', 'ENV requires at least one argument'],
    ['ENV a', 'ENV must have two arguments'],
    ['ENV a=b c', 'Syntax error - can\'t find = in "c". Must be of the form: name=value'],
    ['LABEL =a', 'LABEL names can not be blank'],
    ['ARG =a', 'ARG names can not be blank'],
    [
      'COPY a',
      'COPY requires at least two arguments, but only one was provided. Destination could not be determined',
    ],
    ['COPY --foo=1 a b', 'Unknown flag: foo'],
    ['COPY --from a b', 'Missing a value on flag: from'],
    ['COPY --chown=1 --chown=2 a b', 'Duplicate flag specified: chown'],
    ['COPY --link=x a b', 'Expecting boolean value for flag link, not: x'],
    ['COPY a <<E\nE', 'COPY cannot accept a heredoc as a destination'],
    ['ENV --x a=b', 'Unknown flag: x'],
    ['RUN <<E\na', 'unterminated heredoc'],
    ['RUN --mount=type=x a', 'unsupported mount type "x"'],
    ['RUN --mount=target=/a,foo=b a', "unexpected key 'foo' in 'foo=b'"],
    ['RUN --mount=type=cache,foo a', "invalid field 'foo' must be a key=value pair"],
    ['RUN --network=x a', 'unsupported network mode "x"'],
    ['RUN --security=x a', 'security "x" is not valid'],
    ['CMD ["a", 1]', 'when using JSON array syntax, arrays must be comprised of strings only'],
    ['SHELL a', 'SHELL requires the arguments to be in JSON form'],
    ['SHELL []', 'SHELL requires at least one argument'],
    ['HEALTHCHECK', 'HEALTHCHECK requires at least one argument'],
    ['HEALTHCHECK FOO x', 'Unknown type "FOO" in HEALTHCHECK (try CMD)'],
    ['HEALTHCHECK NONE x', 'HEALTHCHECK NONE takes no arguments'],
    ['HEALTHCHECK CMD', 'Missing command after HEALTHCHECK CMD'],
    ['HEALTHCHECK --interval=x CMD y', 'time: invalid duration "x"'],
    ['HEALTHCHECK --interval=1us CMD y', 'Interval "interval" cannot be less than 1ms'],
    ['HEALTHCHECK --retries=-1 CMD y', '--retries cannot be negative (-1)'],
    ['ONBUILD', 'ONBUILD requires at least one argument'],
    ['ONBUILD ONBUILD RUN x', "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
    ['ONBUILD from x', "FROM isn't allowed as an ONBUILD trigger"],
    ['VOLUME [""]', 'VOLUME specified can not be an empty string'],
    ['EXPOSE', 'EXPOSE requires at least one argument'],
    ['USER', 'USER requires exactly one argument'],
    ['MAINTAINER', 'MAINTAINER requires exactly one argument'],
  ])('of %j', (text, message) => {
    expect(failure(`FROM a\n\n${text}\n`)).toBe(`dockerfile parse error on line 3: ${message}`);
  });
});
