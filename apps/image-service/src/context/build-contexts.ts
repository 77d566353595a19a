import { closeSync, createWriteStream, openSync, readSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable } from '@nestjs/common';
import { compressionOfHead } from '@gantry/shared/archives';
import { invalidArgument } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { IMAGE_SETTINGS, type ImageSettings } from '../image-settings';
import { DownloadArchive } from '../import/download-archive';
import { type LayerSource, openSource } from '../layers/layer-source';
import { checkUnpackedSize } from '../layers/unpacked-size';
import type { ProgressLines } from '../progress/progress-lines';
import { ArchiveTree } from './archive-tree';
import { DirectoryTree } from './directory-tree';
import { DocumentTree } from './document-tree';
import { FilteredTree } from './filtered-tree';
import { checkoutGit } from './git-checkout';
import { type GitSource, parseGitSource } from './git-source';
import { IgnorePatterns } from './ignore-patterns';
import { components, resolveInTree, type SourceTree } from './source-tree';

export interface ContextRequest {
  /** The archive that came with the request. */
  upload: string | undefined;
  /** API `remote`: a repository, or the URL of an archive or of a Dockerfile; empty: there is an upload. */
  remote: string;
  /** API `dockerfile`: its path in the context. */
  dockerfile: string;
  /** The Dockerfile's text, where it did not come with the context. */
  text?: string;
  /** A directory of the caller's, who removes it after {@link BuildContext.close}. */
  scratch: string;
}

export interface BuildContext {
  /** Without what `.dockerignore` names. */
  tree: SourceTree;
  /** Its text. */
  dockerfile: string;
  /** As it was found. */
  dockerfileName: string;
  close(): void;
}

const DEFAULT_NAME = 'Dockerfile';
/** Bytes. */
const MAX_TEXT = 16 * 1024 * 1024;
/** As much as tells what a file is: a tar header. Bytes. */
const HEAD = 512;

/** Opens build contexts, wherever they come from. */
@Injectable()
export class BuildContexts {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    @Inject(IMAGE_SETTINGS) private readonly settings: ImageSettings,
    @Inject(DownloadArchive) private readonly downloads: DownloadArchive,
  ) {}

  /** @throws InvalidArgument as dockerd words it; what it has opened is closed then */
  async open(request: ContextRequest, lines: ProgressLines, signal: AbortSignal): Promise<BuildContext> {
    const tree = await this.openTree(request, lines, signal);
    try {
      const path = request.dockerfile || DEFAULT_NAME;
      const { name, text } =
        request.text === undefined ? await readDockerfile(tree, path) : { name: path, text: request.text };
      const ignored = await readText(tree, '.dockerignore');
      const visible = ignored === undefined ? tree : new FilteredTree(tree, IgnorePatterns.ofFile(ignored));
      return { tree: visible, dockerfile: text, dockerfileName: name, close: () => tree.close() };
    } catch (error) {
      tree.close();
      throw error;
    }
  }

  /** All the files, whatever `.dockerignore` says. @throws InvalidArgument as dockerd words it */
  async openTree(
    { upload, remote, scratch, dockerfile }: ContextRequest,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<SourceTree> {
    if (remote === '' || remote === 'client-session') {
      if (upload === undefined) throw invalidArgument('no build context: the request has no body');
      return this.archive(upload, scratch, signal);
    }
    const repository = parseGitSource(remote);
    if (repository) return this.repository(repository, scratch, signal);
    const url = urlOf(remote);
    return this.downloads.use(url, lines, signal, async (path) => {
      const head = headOf(path);
      if (compressionOfHead(head) !== 'none' || isTarHeader(head)) return this.archive(path, scratch, signal);
      if (head.includes(0)) throw invalidArgument(`unable to detect contentType for remote (${remote})`);
      return fileAsContext(path, dockerfile || DEFAULT_NAME);
    });
  }

  private async archive(path: string, scratch: string, signal: AbortSignal): Promise<ArchiveTree> {
    const { layerLimits } = this.settings;
    if (compressionOfHead(headOf(path)) === 'none') {
      return ArchiveTree.open(path, layerLimits.maxEntries, signal);
    }
    const plain = join(scratch, 'context.tar');
    const source: LayerSource = { kind: 'file', path, offset: 0, size: statSync(path).size };
    const { linux } = this;
    await pipeline(
      async function* () {
        let [unpacked, consumed] = [0, 0];
        const watch = { signal, onConsumed: (bytes: number) => (consumed = bytes) };
        for await (const chunk of openSource(linux, source, watch)) {
          unpacked += chunk.length;
          checkUnpackedSize('context', unpacked, consumed, layerLimits);
          yield chunk;
        }
      },
      createWriteStream(plain, { flags: 'wx', mode: 0o600 }),
    );
    return ArchiveTree.open(plain, layerLimits.maxEntries, signal);
  }

  private async repository(source: GitSource, scratch: string, signal: AbortSignal): Promise<SourceTree> {
    const checkout = join(scratch, 'repository');
    await checkoutGit(this.linux, source, checkout, { keepGitDirectory: false, signal });
    return openCheckout(this.linux, checkout, source.directory);
  }
}

/** @throws InvalidArgument for a directory that is not there, or outside of the checkout */
export function openCheckout(
  linux: Pick<Linux, 'files' | 'paths'>,
  checkout: string,
  directory: string,
): SourceTree {
  const whole = new DirectoryTree(linux, checkout, false);
  const wanted = resolveInTree(whole, directory);
  const isDirectory = whole.status(wanted)?.type === 'directory';
  whole.close();
  if (!isDirectory) {
    throw invalidArgument(
      `error setting git context subdirectory: stat ${directory}: no such file or directory`,
    );
  }
  return new DirectoryTree(linux, join(checkout, wanted), false);
}

function urlOf(remote: string): URL {
  if (/^https?:\/\//.test(remote) && URL.canParse(remote)) return new URL(remote);
  throw invalidArgument(`remoteURL (${remote}) could not be recognized as URL`);
}

function headOf(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(HEAD);
    return head.subarray(0, readSync(fd, head));
  } finally {
    closeSync(fd);
  }
}

const isTarHeader = (head: Buffer): boolean => head.toString('latin1', 257, 262) === 'ustar';

async function fileAsContext(path: string, name: string): Promise<SourceTree> {
  if (statSync(path).size > MAX_TEXT) throw invalidArgument(`${name} is larger than ${MAX_TEXT} bytes`);
  const content = await readFile(path, 'utf8');
  return new DocumentTree([{ name, content, expand: false, chomp: false }]);
}

async function readDockerfile(tree: SourceTree, wanted: string): Promise<{ name: string; text: string }> {
  const path = components(wanted).join('/');
  const names = path === DEFAULT_NAME ? [path, path.toLowerCase()] : [path];
  for (const name of names) {
    const text = await readText(tree, name);
    if (text !== undefined) return { name, text };
  }
  throw invalidArgument(`Cannot locate specified Dockerfile: ${wanted}`);
}

/** undefined: there is no such file. */
async function readText(tree: SourceTree, path: string): Promise<string | undefined> {
  const target = resolveInTree(tree, path);
  const node = tree.status(target);
  if (node?.type !== 'file') return undefined;
  if (node.size > MAX_TEXT) throw invalidArgument(`${path} is larger than ${MAX_TEXT} bytes`);
  const parts: Buffer[] = [];
  for await (const chunk of tree.content(target)) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts).toString('utf8');
}
