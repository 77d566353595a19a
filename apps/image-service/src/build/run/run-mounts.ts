import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  mkdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, posix } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import type { OciMount } from '@gantry/shared/oci';
import { copySources } from '../../copy/copy-sources';
import type { RunMount } from '../../dockerfile/dockerfile';
import { wholeCopy } from '../../dockerfile/whole-copy';
import { CacheDirectories } from '../cache/cache-directories';
import { type SelectedSources, SourceSelection } from '../source-selection';
import type { BuildScope } from '../build-scope';
import type { BuildOutput } from '../build-output';
import { topOf, type BuiltImage } from '../built-image';
import { StepDirectories, type StepDirectory } from '../step-directories';
import { SessionMounts } from './session-mounts';
import { ThrowawayMounts } from './throwaway-mounts';

/** The mounts of a RUN: what they read counts for the cache, and they are made only where it is run. */
export interface PlannedMounts {
  inputs: object[];
  open(step: StepDirectory): Promise<OpenMounts>;
  close(): Promise<void>;
}

export interface OpenMounts {
  mounts: OciMount[];
  /** Variables that belong to them; their values may be secret. */
  environment: string[];
  close(): Promise<void>;
}

interface Site {
  workingDirectory: string;
  stageIndex: number;
  scope: BuildScope;
  output: BuildOutput;
}

export interface MountPart {
  inputs: object;
  open: (step: StepDirectory, name: string) => Promise<OpenMounts>;
}

const O_PATH = 0o10000000;
const NOTHING: OpenMounts = { mounts: [], environment: [], close: async () => {} };

/** RUN --mount. */
@Injectable()
export class RunMounts {
  constructor(
    @Inject(SourceSelection) private readonly selection: SourceSelection,
    @Inject(StepDirectories) private readonly directories: StepDirectories,
    @Inject(CacheDirectories) private readonly caches: CacheDirectories,
    @Inject(ThrowawayMounts) private readonly throwaway: ThrowawayMounts,
    @Inject(SessionMounts) private readonly ofSession: SessionMounts,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** `mounts`: variables put in. @throws InvalidArgument for what is not there, or was not given */
  async plan(mounts: RunMount[], site: Site): Promise<PlannedMounts> {
    const closing: (() => Promise<void>)[] = [];
    const close = async () => {
      for (const one of closing.splice(0).reverse()) await one();
    };
    try {
      const parts: MountPart[] = [];
      for (const [index, mount] of mounts.entries()) {
        const agents = mounts.slice(0, index).filter(({ type }) => type === 'ssh').length;
        parts.push(await this.part(mount, agents, site, closing));
      }
      return { inputs: parts.map(({ inputs }) => inputs), open: (step) => openAll(parts, step), close };
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** `agents`: how many mounts of SSH agents stand before it. */
  private async part(
    mount: RunMount,
    agents: number,
    site: Site,
    closing: (() => Promise<void>)[],
  ): Promise<MountPart> {
    const target = posix.resolve('/', site.workingDirectory, mount.target);
    switch (mount.type) {
      case 'tmpfs':
        return {
          inputs: { tmpfs: target },
          open: async () => ({ ...NOTHING, mounts: [tmpfs(target, mount)] }),
        };
      case 'secret':
        return this.ofSession.secret(mount, site.workingDirectory, site.scope.session);
      case 'ssh':
        return this.ofSession.agent(mount, agents, site.workingDirectory, site.scope.session);
      case 'cache':
        return this.cache(mount, target, site, closing);
      case 'bind':
        return this.bind(mount, target, site, closing);
    }
  }

  private async bind(
    mount: RunMount,
    target: string,
    site: Site,
    closing: (() => Promise<void>)[],
  ): Promise<MountPart> {
    const sources = await this.sources(mount, site);
    closing.push(() => sources.close());
    const { key } = await sources.digests();
    return {
      inputs: { bind: target, key, readonly: mount.readonly },
      open: async (step, name) => {
        const { path, close } = await this.sourceOf(mount, sources, step, join(step.path, name));
        const source = mount.readonly ? path : this.writable(step, `${name}-changes`, path);
        return { ...NOTHING, mounts: [bind(source, target, mount.readonly)], close };
      },
    };
  }

  private async cache(
    mount: RunMount,
    target: string,
    site: Site,
    closing: (() => Promise<void>)[],
  ): Promise<MountPart> {
    const sources = mount.from === '' ? undefined : await this.sources(mount, site);
    if (sources) closing.push(() => sources.close());
    const { signal } = site.scope;
    return {
      inputs: { cache: target, id: mount.id || target },
      open: async () => {
        const taken = await this.caches.take(mount.id || target, mount.sharing, signal);
        try {
          if (taken.isNew) await this.fill(taken.path, mount, sources, signal);
        } catch (error) {
          taken.giveBack();
          throw error;
        }
        return {
          ...NOTHING,
          mounts: [bind(taken.path, target, mount.readonly)],
          close: async () => taken.giveBack(),
        };
      },
    };
  }

  private async fill(
    path: string,
    mount: RunMount,
    sources: SelectedSources | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (sources) await this.extract(sources, path, signal);
    chownSync(path, mount.uid ?? 0, mount.gid ?? 0);
    chmodSync(path, mount.mode ?? 0o755);
  }

  /** As if the source were copied. */
  private sources({ from, source }: RunMount, { stageIndex, scope, output }: Site): Promise<SelectedSources> {
    const copy = wholeCopy(from, source || '/', { line: 0, endLine: 0, text: '' });
    return this.selection.prepare(copy, stageIndex, scope, output);
  }

  /** Of an image where it is mounted, whatever has come to lie in its place; of the context a copy. */
  private async sourceOf(
    { source }: RunMount,
    sources: SelectedSources,
    step: StepDirectory,
    directory: string,
  ): Promise<{ path: string; close: () => Promise<void> }> {
    if (sources.image) return this.imageSource(sources.image, source, step, directory);
    mkdirSync(directory);
    const [item] = await this.extract(sources, directory, new AbortController().signal);
    return {
      path: item?.isDirectory === false ? join(directory, item.name) : directory,
      close: NOTHING.close,
    };
  }

  private async imageSource(
    image: BuiltImage,
    source: string,
    step: StepDirectory,
    target: string,
  ): Promise<{ path: string; close: () => Promise<void> }> {
    const view = this.directories.view(topOf(image));
    const close = () => this.directories.close(view);
    try {
      this.bindInRoot(view.root, source || '/', target);
      step.mounts.push(target);
      return { path: target, close };
    } catch (error) {
      await close();
      if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
      throw invalidArgument(`failed to compute cache key: ${JSON.stringify(source)}: not found`);
    }
  }

  /** The very file that a path leads to inside `root`, whatever takes its place later. */
  private bindInRoot(root: string, path: string, target: string): void {
    const fd = this.linux.paths.openInRoot(root, path, O_PATH);
    try {
      if (fstatSync(fd).isDirectory()) mkdirSync(target);
      else writeFileSync(target, '');
      this.linux.mounts.bindMount(`/proc/self/fd/${fd}`, target);
    } finally {
      closeSync(fd);
    }
  }

  private async extract(sources: SelectedSources, directory: string, signal: AbortSignal) {
    const selection = await sources.open();
    const order = { root: directory, workingDirectory: '/', signal };
    await copySources(this.linux, selection, sources.instruction, order);
    return selection.items;
  }

  /** What is written to it is lost. */
  private writable(step: StepDirectory, name: string, path: string): string {
    const { mode, uid, gid } = statSync(path);
    if ((mode & constants.S_IFMT) === constants.S_IFDIR) return this.throwaway.over(step, name, path);
    const copy = join(step.path, name);
    copyFileSync(path, copy);
    chownSync(copy, uid, gid);
    chmodSync(copy, mode & 0o7777);
    return copy;
  }
}

async function openAll(parts: MountPart[], step: StepDirectory): Promise<OpenMounts> {
  const opened: OpenMounts[] = [];
  const close = async () => {
    for (const one of opened.splice(0).reverse()) await one.close();
  };
  try {
    for (const [index, part] of parts.entries()) opened.push(await part.open(step, `mount-${index}`));
    return {
      mounts: opened.flatMap(({ mounts }) => mounts),
      environment: opened.flatMap(({ environment }) => environment),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const tmpfs = (destination: string, { size }: RunMount): OciMount => ({
  destination,
  type: 'tmpfs',
  source: 'tmpfs',
  options: ['nosuid', 'nodev', ...(size === undefined ? [] : [`size=${size}`])],
});

const bind = (source: string, destination: string, readonly: boolean): OciMount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', 'rprivate', ...(readonly ? ['ro'] : [])],
});
