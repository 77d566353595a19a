import { parseTrigger } from './parse-dockerfile';
import { runCommandOf } from './run-command';

function commandOf(text: string, config = {}) {
  const instruction = parseTrigger(text);
  if (instruction.kind !== 'run') throw new Error(text);
  return runCommandOf(instruction, config);
}

test.each<[string, string, string[]]>([
  ['a line', 'RUN a b', ['/bin/sh', '-c', 'a b']],
  ['a list', 'RUN ["a", "b"]', ['a', 'b']],
  ['a document alone', 'RUN <<EOF\na\nb\nEOF', ['/bin/sh', '-c', 'a\nb\n']],
  ['without its tabs', 'RUN <<-EOF\n\ta\n\tEOF', ['/bin/sh', '-c', 'a\n']],
  ['one for the shell', 'RUN cat <<EOF >x\na\nEOF', ['/bin/sh', '-c', 'cat <<EOF >x\na\nEOF']],
  ['two', 'RUN x <<A <<B\n1\nA\n2\nB', ['/bin/sh', '-c', 'x <<A <<B\n1\nA\n2\nB']],
])('%s', (_title, text, argv) => {
  expect(commandOf(text)).toEqual({ argv });
});

test('another shell', () => {
  expect(commandOf('RUN a', { Shell: ['/bin/bash', '-ec'] })).toEqual({ argv: ['/bin/bash', '-ec', 'a'] });
});

test('of an empty list, what the image runs', () => {
  expect(commandOf('RUN []', { Entrypoint: ['a'], Cmd: ['b'] })).toEqual({ argv: ['a', 'b'] });
});

test('a document that names its interpreter is a program', () => {
  expect(commandOf('RUN <<EOF\n#!/bin/x\na\nEOF')).toEqual({
    argv: ['/dev/pipes/EOF'],
    script: { path: '/dev/pipes/EOF', content: '#!/bin/x\na\n' },
  });
});
