import { Inject, Injectable } from '@nestjs/common';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { DirectoryTree } from '../context/directory-tree';
import type { SourceTree } from '../context/source-tree';
import type { Selection } from '../copy/selection';
import { Transfers } from '../copy/transfers';
import type { AddInstruction, CopyInstruction } from '../dockerfile/dockerfile';
import { ProgressLines } from '../progress/progress-lines';
import type { BuildOutput } from './build-output';
import type { BuildScope } from './build-scope';
import { type BuiltImage, topOf } from './built-image';
import { contextNameFor } from './named-contexts';
import { StepDirectories } from './step-directories';

type Transfer = CopyInstruction | AddInstruction;
type Digests = Pick<Selection, 'digest' | 'key'>;

/** What an instruction reads; opened by whoever needs it first, and closed by whoever has prepared it. */
export interface SelectedSources {
  instruction: Transfer;
  /** What is read from; undefined: the build context, or a named one. */
  image: BuiltImage | undefined;
  digests(): Promise<Digests>;
  open(): Promise<Selection>;
  close(): Promise<void>;
}

interface Opened {
  selection: Selection;
  close: () => Promise<void>;
}

/** What was read of images: they do not change. */
const REMEMBERED = 1_000;

/** Finds what COPY, ADD and mounts read, in the context, a stage or an image. */
@Injectable()
export class SourceSelection {
  /** Digests of files of images, by image and instruction. */
  private readonly known = new Map<string, Digests>();

  constructor(
    @Inject(Transfers) private readonly transfers: Transfers,
    @Inject(StepDirectories) private readonly directories: StepDirectories,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** @throws what building the stage, or pulling the image, throws */
  async prepare(
    instruction: Transfer,
    stageIndex: number,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<SelectedSources> {
    const from = instruction.kind === 'copy' ? instruction.from : '';
    const named = scope.trees.get(contextNameFor(scope.request.contexts, from) ?? '');
    const image = from === '' || named ? undefined : await scope.source(from, stageIndex, output);
    let opened: Promise<Opened> | undefined;
    const open = async () => {
      opened ??= this.select(instruction, { image, tree: named ?? scope.context.tree }, scope, output);
      const { selection } = await opened;
      if (image) this.remember(nameOf(image, instruction), selection);
      return selection;
    };
    return {
      instruction,
      image,
      open,
      digests: async () => (image && this.known.get(nameOf(image, instruction))) ?? open(),
      close: async () => {
        const whole = await opened?.catch(() => undefined);
        await whole?.close();
      },
    };
  }

  private async select(
    instruction: Transfer,
    { image, tree: files }: { image: BuiltImage | undefined; tree: SourceTree },
    { context, signal }: BuildScope,
    output: BuildOutput,
  ): Promise<Opened> {
    const view = image && this.directories.view(topOf(image));
    const tree = view ? new DirectoryTree(this.linux, view.root, true) : files;
    const close = async () => {
      if (tree !== files) tree.close();
      if (view) await this.directories.close(view);
    };
    const lines = new ProgressLines(async (line) => output.classic(line));
    try {
      const site = { tree, scratch: context.scratch, lines, signal };
      const selection = await this.transfers.select(instruction, site);
      return {
        selection,
        close: async () => {
          selection.close();
          await close();
        },
      };
    } catch (error) {
      await close();
      throw error;
    }
  }

  private remember(name: string, { digest, key }: Digests): void {
    const [oldest] = this.known.keys();
    if (this.known.size >= REMEMBERED && oldest !== undefined) this.known.delete(oldest);
    this.known.set(name, { digest, key });
  }
}

const nameOf = (image: BuiltImage, instruction: Transfer): string =>
  JSON.stringify([topOf(image)?.chainId, { ...instruction, origin: undefined }]);
