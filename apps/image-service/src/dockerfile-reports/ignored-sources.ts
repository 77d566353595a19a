import { posix } from 'node:path';
import type { IgnorePatterns } from '../context/ignore-patterns';
import type { Instruction } from '../dockerfile/dockerfile';
import type { Finding } from './check-rules';
import { finding } from './spelling-checks';

const REMOTE = /^(?:[a-z]+:\/\/|git@)/;

/**
 * What COPY and ADD want of a context that it is left out of; variables are put in. Where patterns have exceptions, a directory may be
 * ignored and files of it not: nothing is said.
 */
export function ignoredSources(instruction: Instruction, ignored: IgnorePatterns | undefined): Finding[] {
  if (!ignored || ignored.hasExceptions) return [];
  if (instruction.kind !== 'add' && (instruction.kind !== 'copy' || instruction.from !== '')) return [];
  const verb = instruction.kind === 'add' ? 'Add' : 'Copy';
  return instruction.sources
    .filter((source) => !REMOTE.test(source))
    .map((source) => posix.normalize(source).replace(/^\/+|\/$/g, ''))
    .filter((path) => path !== '' && path !== '.' && ignored.matches(path))
    .map((path) => {
      const detail = `Attempting to ${verb} file "${path}" that is excluded by .dockerignore`;
      return finding(instruction.origin, 'CopyIgnoredFile', detail);
    });
}
