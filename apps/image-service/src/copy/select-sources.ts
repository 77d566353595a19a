import { posix } from 'node:path';
import { invalidArgument } from '@gantry/shared/errors';
import { IgnorePatterns, pathExpression } from '../context/ignore-patterns';
import { components, resolveInTree, type SourceTree, walkTree } from '../context/source-tree';
import type { AddInstruction, CopyInstruction } from '../dockerfile/dockerfile';
import type { Selected } from './selection';

type Transfer = CopyInstruction | AddInstruction;

const WILDCARD = /[*?[]/;

/**
 * What the sources of an instruction, variables put in, are in a tree. @throws InvalidArgument as dockerd words it for what is
 * not there or lies outside
 */
export function selectSources(tree: SourceTree, instruction: Transfer): Selected[] {
  const { kind, exclude, parents } = instruction;
  const command = kind.toUpperCase();
  const patterns = new IgnorePatterns(exclude);
  return instruction.sources.flatMap((source) => {
    const path = insidePath(source, command, tree);
    const found = WILDCARD.test(source) ? matching(tree, path, command) : [existing(tree, path, command)];
    return found.map((one) => selected(tree, one, { source, parents, patterns }));
  });
}

interface Found {
  /** As it is written or found, symlinks not followed. */
  path: string;
  /** Where it leads. */
  target: string;
}

/** Relative to the tree; a source cannot climb out of a context, and in an image the top is where it ends. */
function insidePath(source: string, command: string, tree: SourceTree): string {
  const names: string[] = [];
  for (const name of components(source)) {
    if (name !== '..') names.push(name);
    else if (names.pop() === undefined && !tree.keepsOwners) {
      throw invalidArgument(`${command} failed: forbidden path outside the build context: ${source} ()`);
    }
  }
  return names.join('/');
}

function existing(tree: SourceTree, path: string, command: string): Found {
  const target = resolveInTree(tree, path);
  if (tree.status(target)) return { path, target };
  throw invalidArgument(
    tree.keepsOwners
      ? `${command} failed: stat ${path}: file does not exist`
      : `${command} failed: file not found in build context or excluded by .dockerignore: stat ${path}: file does not exist`,
  );
}

function matching(tree: SourceTree, pattern: string, command: string): Found[] {
  const expression = pathExpression(pattern);
  const found = [...walkTree(tree, fixedTop(tree, pattern))]
    .filter(({ path }) => expression.test(path))
    .map(({ path }) => existing(tree, path, command));
  if (found.length === 0) throw invalidArgument(`${command} failed: no source files were specified`);
  return found;
}

/** The directory below which all matches are: as much of the pattern as has no wildcard. */
function fixedTop(tree: SourceTree, pattern: string): string {
  const names = pattern.split('/');
  const fixed = names
    .slice(
      0,
      names.findIndex((name) => WILDCARD.test(name)),
    )
    .join('/');
  return tree.status(fixed)?.type === 'directory' ? fixed : '';
}

interface Choice {
  source: string;
  parents: boolean;
  patterns: IgnorePatterns;
}

function selected(
  tree: SourceTree,
  { path, target }: Found,
  { source, parents, patterns }: Choice,
): Selected {
  const below = target === '' ? 0 : target.length + 1;
  return {
    tree,
    path: target,
    name: parents ? parentsName(path, source) : posix.basename(path),
    isDirectory: tree.status(target)?.type === 'directory',
    isExcluded: patterns.isEmpty
      ? () => false
      : (one) => patterns.matches(one === target ? posix.basename(path) : one.slice(below)),
    unpack: false,
  };
}

/** What --parents keeps of a path: all of it, or what comes after `/./`. */
function parentsName(path: string, source: string): string {
  const pivot = /^(.*?)(?:^|\/)\.\/./.exec(source.replace(/^\.\//, ''));
  const dropped = pivot ? components(pivot[1] ?? '').length : 0;
  return path.split('/').slice(dropped).join('/');
}
