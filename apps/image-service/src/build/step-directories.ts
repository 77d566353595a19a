import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { EMPTY_LAYER } from '../layers/empty-layer';
import { LayerDirectories } from '../layers/layer-directories';
import { LAYER_DIFF, TEMPORARY_PREFIX } from '../layers/layer-files';
import { LayerStore, type StoredLayer } from '../layers/layer-store';
import { OPAQUE_XATTR } from '../layers/whiteout';
import { InitLayer } from '../snapshots/init-layer';
import { RUN_PREFIX } from './run/run-runtime';

/** Where one step works: a directory that is gone with this process, with an overlay on `root`. */
export interface StepDirectory {
  path: string;
  /** What the step sees as its root file system. */
  root: string;
  /** What is mounted in it, in the order in which it was. */
  mounts: string[];
}

const MERGED = 'merged';
const WORK = 'work';
const NOTHING = 'nothing';
/** What overlayfs would otherwise take from the kernel's defaults, which differ from host to host. */
const OVERLAY_OPTIONS = ['index=off', 'redirect_dir=off', 'metacopy=off'];

/** Overlays on the layers of an image in which steps change files; the upper directory becomes the next layer, in place. */
@Injectable()
export class StepDirectories {
  constructor(
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(InitLayer) private readonly initLayer: InitLayer,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** `forRunning`: with what a runtime mounts things on, which is no change of the step. */
  open(top: StoredLayer | undefined, { forRunning }: { forRunning: boolean }): StepDirectory {
    const step = this.make();
    const upper = join(step.path, LAYER_DIFF);
    const work = join(step.path, WORK);
    mkdirSync(upper, { mode: 0o755 });
    mkdirSync(work, { mode: 0o700 });
    const lower = forRunning ? this.initLayer.lowerFor(top?.layerId) : this.lowerOf(top);
    const named = lower.map((name) => this.directories.path(name));
    this.mount(step, { lower: named.length > 0 ? named : [this.nothing(step)], upper, work });
    return step;
  }

  /** Without an overlay: whoever has it writes the layer itself. */
  bare(): StepDirectory {
    const step = this.make();
    mkdirSync(join(step.path, LAYER_DIFF), { mode: 0o755 });
    return step;
  }

  /** The file system of an image to look at. */
  view(top: StoredLayer | undefined): StepDirectory {
    const step = this.make();
    // An overlay without an upper directory wants two lower ones.
    const lower = [...this.lowerOf(top).map((name) => this.directories.path(name)), this.nothing(step)];
    if (lower.length === 1) lower.push(this.nothing(step, 'nothing-else'));
    this.mount(step, { lower });
    return step;
  }

  /** A directory without a root file system, for whatever a build needs until its end. */
  scratch(): string {
    return this.directories.makeTemporary();
  }

  /** The name that all of a step's traces on the host carry; says which process made it. */
  nameOf(step: StepDirectory): string {
    return `${RUN_PREFIX}${basename(step.path).slice(TEMPORARY_PREFIX.length)}`;
  }

  /**
   * Makes what the step changed a layer on `top`; undefined where it changed nothing. The step is closed either way.
   * `epoch`: see AdoptedSource.
   */
  async commit(
    step: StepDirectory,
    top: StoredLayer | undefined,
    { epoch, signal }: { epoch?: number; signal: AbortSignal },
  ): Promise<StoredLayer | undefined> {
    this.unmount(step);
    if (this.isUnchanged(step)) {
      await this.close(step);
      return undefined;
    }
    for (const name of readdirSync(step.path)) {
      if (name !== LAYER_DIFF) rmSync(join(step.path, name), { recursive: true, force: true });
    }
    const staged = await this.layers.adopt(step.path, { epoch }, signal);
    if (staged.diffId === EMPTY_LAYER) {
      await this.layers.discard(staged);
      return undefined;
    }
    return this.layers.commit(staged, top);
  }

  /** Unmounts and removes. */
  async close(step: StepDirectory): Promise<void> {
    this.unmount(step);
    await this.discard(step.path);
  }

  async discard(directory: string): Promise<void> {
    await this.directories.remove(basename(directory)).done;
  }

  private unmount(step: StepDirectory): void {
    for (const target of step.mounts.splice(0).reverse()) this.linux.mounts.detach(target);
  }

  private make(): StepDirectory {
    const path = this.directories.makeTemporary();
    const root = join(path, MERGED);
    mkdirSync(root, { mode: 0o700 });
    return { path, root, mounts: [] };
  }

  private mount(step: StepDirectory, layers: { lower: string[]; upper?: string; work?: string }): void {
    try {
      this.linux.mounts.overlay({ ...layers, target: step.root, extra: OVERLAY_OPTIONS });
      step.mounts.push(step.root);
    } catch (error) {
      rmSync(step.path, { recursive: true, force: true });
      throw error;
    }
  }

  private lowerOf(top: StoredLayer | undefined): string[] {
    return top ? this.directories.lowerOf(top.layerId) : [];
  }

  private nothing(step: StepDirectory, name = NOTHING): string {
    const path = join(step.path, name);
    mkdirSync(path, { mode: 0o755 });
    return path;
  }

  private isUnchanged(step: StepDirectory): boolean {
    const upper = join(step.path, LAYER_DIFF);
    return readdirSync(upper).length === 0 && !this.linux.files.getXattr(upper, OPAQUE_XATTR);
  }
}
