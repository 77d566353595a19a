import { Inject, Injectable } from '@nestjs/common';
import { faultPoint } from '@gantry/shared/faults';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { DirectoryTree } from '../context/directory-tree';
import { copyComment } from '../copy/copy-comment';
import { copySources } from '../copy/copy-sources';
import type { Selection } from '../copy/selection';
import { Transfers } from '../copy/transfers';
import type { AddInstruction, CopyInstruction } from '../dockerfile/dockerfile';
import type { StoredLayer } from '../layers/layer-store';
import { ProgressLines } from '../progress/progress-lines';
import type { BuildOutput } from './build-output';
import type { BuildScope, PlannedStep } from './build-scope';
import { type BuiltImage, configOf, topOf } from './built-image';
import { nothingRun } from './config-steps';
import { StepDirectories } from './step-directories';

type Transfer = CopyInstruction | AddInstruction;
type Digests = Pick<Selection, 'digest' | 'key'>;

/** What was read of images: they do not change. */
const REMEMBERED = 1_000;

/** COPY and ADD. */
@Injectable()
export class CopyStep {
  /** Digests of files of images, by image and instruction. */
  private readonly known = new Map<string, Digests>();

  constructor(
    @Inject(Transfers) private readonly transfers: Transfers,
    @Inject(StepDirectories) private readonly directories: StepDirectories,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** Reads what is to be copied, unless that was read before. @throws InvalidArgument as dockerd words it */
  async plan(
    image: BuiltImage,
    instruction: Transfer,
    stageIndex: number,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<PlannedStep> {
    const from = instruction.kind === 'copy' ? instruction.from : '';
    const source = from === '' ? undefined : await scope.source(from, stageIndex, output);
    const sources = new CopySources(
      () => this.select(instruction, source, scope, output),
      (selection) => this.remember(source, instruction, selection),
    );
    const config = configOf(image);
    const { digest, key } = this.recall(source, instruction) ?? (await sources.open());
    const { destination, chown, chmod, parents } = instruction;
    return {
      inputs: { copy: key, destination, chown, chmod, parents, kind: instruction.kind },
      createdBy: nothingRun(config, copyComment(instruction, digest), ' '),
      config,
      perform: async () => this.perform(image, instruction, await sources.open(), scope),
      close: () => sources.close(),
    };
  }

  private async perform(
    image: BuiltImage,
    instruction: Transfer,
    selection: Selection,
    scope: BuildScope,
  ): Promise<StoredLayer | undefined> {
    const top = topOf(image);
    const step = this.directories.open(top, { forRunning: false });
    try {
      const workingDirectory = configOf(image).WorkingDir ?? '/';
      const { signal } = scope;
      await copySources(this.linux, selection, instruction, { root: step.root, workingDirectory, signal });
      faultPoint('build-files-copied');
    } catch (error) {
      await this.directories.close(step);
      throw error;
    }
    return this.directories.commit(step, top, scope);
  }

  /** The selection, and how what it needs is given back. */
  private async select(
    instruction: Transfer,
    source: BuiltImage | undefined,
    { context, signal }: BuildScope,
    output: BuildOutput,
  ): Promise<{ selection: Selection; close: () => Promise<void> }> {
    const view = source && this.directories.view(topOf(source));
    const tree = view ? new DirectoryTree(this.linux, view.root, true) : context.tree;
    const close = async () => {
      if (tree !== context.tree) tree.close();
      if (view) await this.directories.close(view);
    };
    const lines = new ProgressLines(async (line) => output.send(line));
    try {
      const selection = await this.transfers.select(instruction, {
        tree,
        scratch: context.scratch,
        lines,
        signal,
      });
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

  private recall(source: BuiltImage | undefined, instruction: Transfer): Digests | undefined {
    return source ? this.known.get(nameOf(source, instruction)) : undefined;
  }

  private remember(source: BuiltImage | undefined, instruction: Transfer, { digest, key }: Digests): void {
    if (!source) return;
    const [oldest] = this.known.keys();
    if (this.known.size >= REMEMBERED && oldest !== undefined) this.known.delete(oldest);
    this.known.set(nameOf(source, instruction), { digest, key });
  }
}

/** Opened by whoever needs them first, and once. */
class CopySources {
  private opened?: Promise<{ selection: Selection; close: () => Promise<void> }>;

  constructor(
    private readonly select: () => Promise<{ selection: Selection; close: () => Promise<void> }>,
    private readonly onSelected: (selection: Selection) => void,
  ) {}

  async open(): Promise<Selection> {
    this.opened ??= this.select();
    const { selection } = await this.opened;
    this.onSelected(selection);
    return selection;
  }

  async close(): Promise<void> {
    const opened = await this.opened?.catch(() => undefined);
    await opened?.close();
  }
}

const nameOf = (source: BuiltImage, instruction: Transfer): string =>
  JSON.stringify([topOf(source)?.chainId, { ...instruction, origin: undefined }]);
