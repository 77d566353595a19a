import { mkdtempSync, renameSync, utimesSync } from 'node:fs';
import { join, posix } from 'node:path';
import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { openCheckout } from '../context/build-contexts';
import { DirectoryTree } from '../context/directory-tree';
import { DocumentTree } from '../context/document-tree';
import { checkoutGit } from '../context/git-checkout';
import { type GitSource, parseGitSource } from '../context/git-source';
import type { SourceTree } from '../context/source-tree';
import type { AddInstruction, CopyInstruction } from '../dockerfile/dockerfile';
import { DownloadArchive } from '../import/download-archive';
import type { ProgressLines } from '../progress/progress-lines';
import { checkDestination } from './copy-sources';
import { selectSources } from './select-sources';
import type { Selected, Selection } from './selection';
import { digestsOf } from './source-digest';
import { isArchive } from './unpack-source';

export interface TransferSite {
  /** The build context, or with `--from` the files of the stage or image. */
  tree: SourceTree;
  /** A directory of the caller's, who removes it when the selection is not used any more. */
  scratch: string;
  lines: ProgressLines;
  signal: AbortSignal;
}

const REMOTE = /^https?:\/\//;
/** dockerd's name for a download without one. */
const UNNAMED = '__unnamed__';

/** Finds out what COPY and ADD read: files, here-documents, downloads and repositories. */
@Injectable()
export class Transfers {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    @Inject(DownloadArchive) private readonly downloads: DownloadArchive,
  ) {}

  /** `instruction`: variables put in. @throws InvalidArgument as dockerd words it */
  async select(instruction: CopyInstruction | AddInstruction, site: TransferSite): Promise<Selection> {
    const items: Selected[] = [];
    const close = () => {
      for (const tree of new Set(items.map((item) => item.tree))) if (tree !== site.tree) tree.close();
    };
    try {
      for (const source of instruction.sources) {
        items.push(...(await this.source({ ...instruction, sources: [source] }, source, site)));
      }
      const documents = new DocumentTree(instruction.documents);
      items.push(...instruction.documents.map(({ name }) => wholeFile(documents, name)));
      checkDestination(instruction, items.length);
      return { items, ...(await digestsOf(items, site.signal)), close };
    } catch (error) {
      close();
      throw error;
    }
  }

  private async source(
    instruction: CopyInstruction | AddInstruction,
    source: string,
    site: TransferSite,
  ): Promise<Selected[]> {
    if (instruction.kind === 'copy') return selectSources(site.tree, instruction);
    const repository = parseGitSource(source);
    if (repository) return this.repository(instruction, repository, site);
    if (REMOTE.test(source)) return [await this.download(instruction, source, site)];
    if (instruction.checksum !== '') {
      throw invalidArgument("checksum can't be specified for non-HTTP(S) sources");
    }
    const found = selectSources(site.tree, instruction);
    if (instruction.unpack === false) return found;
    return Promise.all(
      found.map(async (one) => ({ ...one, unpack: await isArchive(this.linux, one.tree, one.path) })),
    );
  }

  private async repository(
    instruction: AddInstruction,
    source: GitSource,
    { scratch, signal }: TransferSite,
  ): Promise<Selected[]> {
    if (instruction.checksum !== '') throw invalidArgument("checksum can't be specified for git sources");
    const checkout = join(mkdtempSync(join(scratch, 'add-')), 'repository');
    await checkoutGit(this.linux, source, checkout, { keepGitDirectory: instruction.keepGitDir, signal });
    const tree = openCheckout(this.linux, checkout, source.directory);
    return selectSources(tree, { ...instruction, sources: ['.'] });
  }

  private async download(
    { destination, checksum, unpack }: AddInstruction,
    source: string,
    { scratch, lines, signal }: TransferSite,
  ): Promise<Selected> {
    const name = fileNameOf(source);
    if (name === undefined && destination.endsWith('/')) {
      throw invalidArgument(`cannot determine filename for source ${source}`);
    }
    const directory = mkdtempSync(join(scratch, 'add-'));
    const file = name ?? UNNAMED;
    await this.downloads.use(new URL(source), lines, signal, (path, lastModified) => {
      if (lastModified) utimesSync(path, lastModified, lastModified);
      renameSync(path, join(directory, file));
      return Promise.resolve();
    });
    const tree = new DirectoryTree(this.linux, directory, false);
    if (checksum !== '') await checkSum(tree, file, checksum, source);
    return { ...wholeFile(tree, file), unpack: unpack === true, isDownload: true };
  }
}

/** The last name of a URL's path, if it is one for a file. */
function fileNameOf(source: string): string | undefined {
  if (!URL.canParse(source)) throw invalidArgument(`parse ${JSON.stringify(source)}: invalid URL`);
  const last = new URL(source).pathname.split('/').at(-1) ?? '';
  try {
    const name = posix.basename(decodeURIComponent(last));
    return ['', '.', '..'].includes(name) || name.includes('\0') ? undefined : name;
  } catch {
    return last;
  }
}

function wholeFile(tree: SourceTree, path: string): Selected {
  const name = posix.basename(path);
  return { tree, path, name, isDirectory: false, isExcluded: () => false, unpack: false };
}

async function checkSum(tree: SourceTree, name: string, wanted: string, source: string): Promise<void> {
  const [, algorithm = '', hex = ''] = /^(sha256|sha384|sha512):([0-9a-f]+)$/.exec(wanted) ?? [];
  if (hex === '') throw invalidArgument(`invalid checksum digest format`);
  const hash = createHash(algorithm);
  for await (const chunk of tree.content(name)) hash.update(chunk);
  const found = `${algorithm}:${hash.digest('hex')}`;
  if (found !== wanted) throw invalidArgument(`digest mismatch ${found}: ${wanted} for ${source}`);
}
