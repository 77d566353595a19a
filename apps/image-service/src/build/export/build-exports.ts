import { closeSync, constants, openSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { TreePacker } from '@gantry/shared/archives';
import type { SessionCall } from '@gantry/shared/buildkit';
import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import type { BuildExport } from '@gantry/shared/queue';
import { inLargePieces } from '@gantry/shared/streams';
import { ExportImages } from '../../export/export-images';
import type { Platform } from '../../images/image-config';
import { taggable } from '../../images/image-store';
import { platformText } from '../../manifests/platform-choice';
import { parseNamed } from '../../references/reference';
import type { BuildOutput } from '../build-output';
import type { BuildScope } from '../build-scope';
import { type BuiltImage, topOf } from '../built-image';
import { bytesMessage } from '../session/client-session';
import { StepDirectories } from '../step-directories';
import { type SentTree, sendTree } from './send-tree';

/** What BuildKit says that it does. */
const WORDS: Readonly<Record<BuildExport['type'], string>> = {
  tar: 'exporting to client tarball',
  local: 'exporting to client directory',
  docker: 'exporting to docker image format',
  oci: 'exporting to oci image format',
};

/** Sends what a build has made to its client, instead of keeping it as an image (`docker build --output`). */
@Injectable()
export class BuildExports {
  constructor(
    @Inject(StepDirectories) private readonly directories: StepDirectories,
    @Inject(ExportImages) private readonly images: ExportImages,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** @throws EngineError what the client says */
  async send(
    { type, names }: BuildExport,
    images: BuiltImage[],
    { session, signal }: Pick<BuildScope, 'session' | 'signal'>,
    output: BuildOutput,
  ): Promise<void> {
    output.vertex(WORDS[type]);
    const [image] = images as [BuiltImage];
    if (images.length > 1 && type !== 'oci' && type !== 'local') {
      throw notImplemented(`the exporter ${type} of several platforms is not built yet`);
    }
    const call = session.files();
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      if (type === 'tar') await this.inView(image, (root) => this.sendArchive(this.files(root), call));
      else if (type === 'local') {
        await this.inViews(images, (trees) => sendTree(this.linux, trees, call, signal));
      } else await this.sendArchive(await this.archive(images, type, names), call);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  private async inView(image: BuiltImage, work: (root: string) => Promise<void>): Promise<void> {
    const view = this.directories.view(topOf(image));
    try {
      await work(view.root);
    } finally {
      await this.directories.close(view);
    }
  }

  /** Several images are for several platforms: each has a directory of its own, as with BuildKit. */
  private inViews(
    [image, ...others]: BuiltImage[],
    work: (trees: SentTree[]) => Promise<void>,
    directories: SentTree[] = [],
    isAlone = others.length === 0,
  ): Promise<void> {
    if (!image) return work(directories.sort((a, b) => (a.directory < b.directory ? -1 : 1)));
    const directory = isAlone ? '' : platformText(platformOf(image)).replaceAll('/', '_');
    return this.inView(image, (root) =>
      this.inViews(others, work, [...directories, { directory, root }], isAlone),
    );
  }

  private async *files(root: string): AsyncGenerator<Buffer> {
    const directory = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      yield* new TreePacker(this.linux.files).packContents(directory, '');
    } finally {
      closeSync(directory);
    }
  }

  private async archive(
    built: BuiltImage[],
    type: 'docker' | 'oci',
    names: string[],
  ): Promise<AsyncGenerator<Buffer>> {
    const ids = built.flatMap(({ id }) => id ?? []);
    if (ids.length < built.length) throw invalidArgument('No image was generated. Is your Dockerfile empty?');
    const tags = names.map((name) => taggable(parseNamed(name)));
    const images = (await this.images.resolve(ids)).map((one) => ({ ...one, tags }));
    return this.images.write(images, { isDockerToo: type === 'docker', isOne: built.length > 1 });
  }

  /** Settles when the client has it. */
  private async sendArchive(archive: AsyncGenerator<Buffer>, call: SessionCall): Promise<void> {
    const answered = untilTheEnd(call.messages());
    answered.catch(() => {});
    try {
      await inLargePieces(archive, (piece) => call.sendWhole(bytesMessage(piece)));
      call.end();
    } catch (error) {
      // Where the client has said why it takes no more, that is the reason.
      await answered;
      throw error;
    }
    await answered;
  }
}

async function untilTheEnd(messages: AsyncGenerator<Buffer>): Promise<void> {
  while (!(await messages.next()).done);
}

const platformOf = ({ document: { os = '', architecture = '', variant = '' } }: BuiltImage): Platform => ({
  os,
  architecture,
  variant,
});
