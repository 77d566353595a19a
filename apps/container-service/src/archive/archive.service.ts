import { closeSync, constants } from 'node:fs';
import { posix } from 'node:path';
import type { ServerReadableStream, ServerWritableStream } from '@grpc/grpc-js';
import { Inject, Injectable } from '@nestjs/common';
import type { Bytes, Empty } from '@gantry/proto/common';
import type {
  ArchiveReference,
  ArchiveResponse,
  ArchiveStat,
  ContainerReference,
  PutArchiveRequest,
  PutArchiveStart,
} from '@gantry/proto/container';
import { ArchiveUnpacker, maybeDecompressed, TreePacker } from '@gantry/shared/archives';
import { forbidden, internal, invalidArgument, notFound } from '@gantry/shared/errors';
import { incoming, toJson, writeMessage } from '@gantry/shared/grpc';
import { hasCode, LINUX, type FileStatus, type Linux } from '@gantry/shared/linux';
import { TarReader } from '@gantry/shared/tar';
import { ContainerEvents } from '../lifecycle/container-events';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { resolveUser } from '@gantry/shared/oci';
import { ContainerViews, type ContainerView } from './container-views';
import { containerPath, goBase, pathStatDocument } from './path-stat';

const O_PATH = 0o10000000;
const { O_DIRECTORY, O_RDONLY, S_IFLNK, S_IFMT } = constants;

/** A file of a container: its directory, opened, and its name there; `.` where the directory itself is meant. */
interface Located {
  directory: number;
  name: string;
  status: FileStatus;
}

/** Copies files out of and into containers, running or not (API: ContainerArchive, PutContainerArchive, ContainerExport). */
@Injectable()
export class ArchiveService {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly store: ContainerStore,
    private readonly views: ContainerViews,
    private readonly events: ContainerEvents,
  ) {}

  /** RPC StatArchive. */
  async stat(request: ArchiveReference): Promise<ArchiveStat> {
    const record = this.store.resolve(request.container);
    return this.views.use(record, true, async (view) => {
      const { located, path } = this.locate(view, request);
      closeSync(located.directory);
      return { stat: this.document(view, path, located.status) };
    });
  }

  /** RPC GetArchive: the entries are named after the last name of the path, as asked for. */
  async get(call: ServerWritableStream<ArchiveReference, ArchiveResponse>): Promise<void> {
    const { request } = call;
    const record = this.store.resolve(request.container);
    await this.views.use(record, true, async (view) => {
      const { located, path } = this.locate(view, request);
      try {
        const stat = { stat: this.document(view, path, located.status) };
        // Before the client has it: who asks for the events when its copy is done finds this one.
        this.events.publish(record, 'archive-path');
        if (!(await writeMessage(call, { message: { $case: 'stat', value: stat } }))) return;
        const packer = new TreePacker(this.linux.files, {
          mapping: view.mapping,
          leavesOut: this.kernelDevices(view),
        });
        for await (const value of packer.packEntry(located.directory, located.name, goBase(path))) {
          if (!(await writeMessage(call, { message: { $case: 'data', value } }))) return;
        }
      } finally {
        closeSync(located.directory);
      }
    });
  }

  /** RPC PutArchive. */
  async put(call: ServerReadableStream<PutArchiveRequest, Empty>): Promise<Empty> {
    const input = incoming(call)[Symbol.asyncIterator]();
    const first = await input.next();
    const start = first.done ? undefined : first.value.message;
    if (start?.$case !== 'start') throw invalidArgument('the first message of PutArchive has to be start');
    const record = this.store.resolve(start.value.container);
    await this.views.use(record, true, (view) => this.unpack(view, record, start.value, dataOf(input)));
    this.events.publish(record, 'extract-to-dir');
    return {};
  }

  /** RPC Export: the container's own file system, without what is mounted into it. */
  async export(call: ServerWritableStream<ContainerReference, Bytes>): Promise<void> {
    const record = this.store.resolve(call.request.container);
    await this.views.use(record, false, async (view) => {
      const root = this.linux.paths.openInRoot(view.root, '/', O_RDONLY | O_DIRECTORY);
      try {
        this.events.publish(record, 'export');
        const packer = new TreePacker(this.linux.files, { mapping: view.mapping });
        for await (const data of packer.packContents(root, '')) {
          if (!(await writeMessage(call, { data }))) return;
        }
      } finally {
        closeSync(root);
      }
    });
  }

  /** What the kernel shows a running container is no file of its: dockerd does not see it at all. */
  private kernelDevices({ root }: ContainerView): Set<bigint> {
    const own = this.linux.files.statAt(root, '.')?.device;
    const devices = ['proc', 'sys', 'dev'].flatMap(
      (name) => this.linux.files.statAt(root, name)?.device ?? [],
    );
    return new Set(devices.filter((device) => device !== own));
  }

  private async unpack(
    view: ContainerView,
    record: ContainerRecord,
    start: PutArchiveStart,
    data: AsyncIterable<Buffer>,
  ): Promise<void> {
    const path = containerPath(start.path);
    const target = this.targetDirectory(view, start.container, path);
    this.requireWritable(record, target);
    const user = start.copyUidGid && record.config.User !== '' ? record.config.User : undefined;
    const unpacker = new ArchiveUnpacker(this.linux, view.root, target, {
      mapping: view.mapping,
      noOverwriteDirNonDir: start.noOverwriteDirNonDir,
      owner: user === undefined ? undefined : resolveUser(this.linux.paths, view.path, user, null),
    });
    try {
      const reader = new TarReader(unpacker);
      for await (const chunk of maybeDecompressed(this.linux, data)) reader.write(chunk);
      reader.end();
      unpacker.finish();
    } finally {
      unpacker.close();
    }
  }

  /** Where the archive goes, as the container sees it, symlinks resolved. */
  private targetDirectory(view: ContainerView, container: string, path: string): string {
    try {
      closeSync(this.linux.paths.openInRoot(view.root, path, O_PATH | O_DIRECTORY));
    } catch (error) {
      if (hasCode(error, 'ENOTDIR')) throw invalidArgument('extraction point is not a directory');
      throw missing(error, path, container);
    }
    return this.resolve(view, path);
  }

  /** As the container sees it. */
  private resolve(view: ContainerView, path: string): string {
    const resolved = this.linux.paths.resolveInRoot(view.path, path).slice(view.path.length);
    return resolved === '' ? '/' : resolved;
  }

  private requireWritable(record: ContainerRecord, target: string): void {
    const mount = record.mounts
      .filter(({ Destination: at }) => target === at || target.startsWith(`${at}/`))
      .sort((a, b) => b.Destination.length - a.Destination.length)[0];
    if (mount && !mount.RW) throw forbidden('mounted volume is marked read-only');
    if (!mount && record.hostConfig.ReadonlyRootfs) {
      throw forbidden('container rootfs is marked read-only');
    }
  }

  /** @throws NotFound, Internal in dockerd's words */
  private locate(
    view: ContainerView,
    { container, path: given }: ArchiveReference,
  ): { located: Located; path: string } {
    const path = containerPath(given);
    // With a slash or a dot at its end, the path means what a symlink leads to.
    const itself = path.endsWith('/') || path.endsWith('/.');
    let directory: number | undefined;
    try {
      directory = this.linux.paths.openInRoot(
        view.root,
        itself ? path : posix.dirname(path),
        O_PATH | O_DIRECTORY,
      );
      const name = itself ? '.' : posix.basename(path);
      const status = this.linux.files.statAt(directory, name);
      if (status) return { located: { directory, name, status }, path };
    } catch (error) {
      if (directory !== undefined) closeSync(directory);
      if (hasCode(error, 'ENOTDIR')) throw internal(`lstat ${path}: not a directory`, error);
      throw missing(error, given, container);
    }
    closeSync(directory);
    throw notFound(`Could not find the file ${given} in container ${container}`);
  }

  private document(view: ContainerView, path: string, status: FileStatus): Buffer {
    const linkTarget = (status.mode & S_IFMT) === S_IFLNK ? this.resolve(view, path) : '';
    return toJson(pathStatDocument(path, status, linkTarget)).json;
  }
}

function missing(error: unknown, path: string, container: string): unknown {
  return hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')
    ? notFound(`Could not find the file ${path} in container ${container}`, error)
    : error;
}

async function* dataOf(input: AsyncIterator<PutArchiveRequest>): AsyncGenerator<Buffer> {
  for (;;) {
    const { done, value } = await input.next();
    if (done) return;
    if (value.message?.$case === 'data') yield value.message.value;
  }
}
