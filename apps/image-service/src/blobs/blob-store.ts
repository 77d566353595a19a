import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  type ReadStream,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { syncPath } from '@gantry/shared/durability';
import { dataLoss, invalidArgument } from '@gantry/shared/errors';
import { faultPoint } from '@gantry/shared/faults';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { makerOf, ownName } from '../process-names';
import { syncDirectory } from '../sync-directory';
import {
  DOWNLOAD_PREFIX,
  type IngestName,
  OWN_PREFIXES,
  type OwnKind,
  parseIngestName,
  uploadName,
} from './ingest-names';

const HEX = /^[a-f0-9]{64}$/;
const READ_SIZE = 1024 * 1024;

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A file in ingest/. */
export type IngestFile = IngestName & {
  name: string;
  ageMs: number;
  /** Whether a living process works on it; not known of uploads and downloads. */
  inWork: boolean;
};

/**
 * `<data root>/image`: blobs by their digest, and in ingest/ whatever is still arriving.
 *
 * A blob's modification time says when somebody last began to rely on it: `put`, `adopt` and `claim` renew it, and `dismiss`
 * lets live what is newer than it was told. Whoever refers to a blob by a row claims it once more when the row is there: from
 * then on nobody who saw the node without that row takes the blob away.
 */
@Injectable()
export class BlobStore {
  readonly ingest: string;
  private readonly blobs: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'processes'>,
  ) {
    this.ingest = join(config.dataRoot, 'image', 'ingest');
    this.blobs = join(config.dataRoot, 'image', 'blobs', 'sha256');
    mkdirSync(this.ingest, { recursive: true, mode: 0o700 });
    mkdirSync(this.blobs, { recursive: true, mode: 0o700 });
  }

  /**
   * Stores small bytes for good: verified, written, synced, renamed, directory synced. Returns the digest.
   * `flush: false`: the caller sees to it that they come to disk.
   * @throws DataLoss when they are not what `expected` names
   */
  put(bytes: Uint8Array, expected?: string, { flush } = { flush: true }): string {
    const digest = digestOf(bytes);
    if (expected !== undefined && expected !== digest) {
      throw dataLoss(`blob digest is ${digest}, not ${expected}`);
    }
    if (!this.claim(digest)) this.write(bytes, digest, { flush });
    return digest;
  }

  /** Stores small bytes even where there is a blob of that name: it may be broken. */
  write(bytes: Uint8Array, digest: string, { flush } = { flush: true }): void {
    const temporary = this.ownPath('blob');
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      // Not left to the kernel, whose clock for files is some milliseconds behind.
      futimesSync(fd, new Date(), new Date());
      if (flush) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    faultPoint('blob-written');
    renameSync(temporary, this.path(digest));
    faultPoint('blob-renamed');
    if (flush) syncDirectory(this.blobs);
  }

  /** Makes a file of ingest/ a blob for good. The caller has seen that it has this digest. */
  async adopt(file: string, digest: string): Promise<void> {
    await syncPath(file);
    // A blob that is kept from long ago was last relied on then.
    const now = new Date();
    utimesSync(file, now, now);
    faultPoint('blob-written');
    await rename(file, this.path(digest));
    faultPoint('blob-renamed');
    await syncPath(this.blobs);
  }

  /** Whether the blob is there; if so, it stays for the time it takes to refer to it (an hour, see Sweep). */
  claim(digest: string): boolean {
    const now = new Date();
    try {
      utimesSync(this.path(digest), now, now);
      // What was not flushed before a power cut is left without its content.
      return statSync(this.path(digest)).size > 0;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false;
      throw error;
    }
  }

  has(digest: string): boolean {
    return existsSync(this.path(digest));
  }

  /** Bytes; undefined when it is not there. */
  size(digest: string): number | undefined {
    return statSync(this.path(digest), { throwIfNoEntry: false })?.size;
  }

  /** Its bytes, from `start` on. An error of the stream where it is not there. */
  read(digest: string, start = 0): ReadStream {
    return createReadStream(this.path(digest), { start, highWaterMark: READ_SIZE });
  }

  /** Whether the bytes are those that the digest names. */
  async isIntact(digest: string): Promise<boolean> {
    const hash = createHash('sha256');
    for await (const chunk of this.read(digest)) hash.update(chunk as Buffer);
    return digest === `sha256:${hash.digest('hex')}`;
  }

  /** Removes a blob that was seen to be broken. */
  drop(digest: string): void {
    rmSync(this.path(digest), { force: true });
  }

  /**
   * Removes a blob, unless somebody has put, adopted or claimed it at or after `unusedSince` (a time from before the caller
   * saw that nothing refers to it). False when it stays or was not there.
   */
  dismiss(digest: string, unusedSince: Date): boolean {
    const path = this.path(digest);
    const doomed = this.ownPath('doomed');
    try {
      if (statSync(path).mtime >= unusedSince) return false;
      // Out of reach first: whoever claims it from here on finds nothing, and whoever did before has left the time.
      renameSync(path, doomed);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false;
      throw error;
    }
    const claimed = statSync(doomed).mtime >= unusedSince;
    if (claimed) renameSync(doomed, path);
    else rmSync(doomed, { force: true });
    return !claimed;
  }

  /** All blobs; `digest` is missing where a file's name is none. */
  list(): { name: string; digest?: string; ageMs: number; size: number }[] {
    return readdirSync(this.blobs).flatMap((name) => {
      const status = statSync(join(this.blobs, name), { throwIfNoEntry: false });
      if (!status) return [];
      const digest = HEX.test(name) ? `sha256:${name}` : undefined;
      return [{ name, digest, ageMs: Date.now() - status.mtimeMs, size: status.size }];
    });
  }

  /** Removes what lies among the blobs without being one. */
  async removeStray(name: string): Promise<void> {
    await rm(join(this.blobs, name), { recursive: true, force: true });
  }

  /** Where an upload of this id is kept. @throws InvalidArgument for an id that is no plain name. */
  uploadPath(uploadId: string): string {
    return join(this.ingest, uploadName(uploadId));
  }

  /** A new name in ingest/ for a job's own file. It goes with this process. */
  temporaryPath(): string {
    return this.ownPath('job');
  }

  /** A new name in ingest/ for what this process is making. */
  ownPath(kind: OwnKind): string {
    return join(this.ingest, ownName(this.linux, OWN_PREFIXES[kind]));
  }

  /** Where a blob of this digest arrives; any process of the node may go on with it. */
  downloadPath(digest: string): string {
    return join(this.ingest, DOWNLOAD_PREFIX + hexOf(digest));
  }

  listIngest(): IngestFile[] {
    return readdirSync(this.ingest).flatMap((name) => {
      const status = statSync(join(this.ingest, name), { throwIfNoEntry: false });
      if (!status) return [];
      const parsed = parseIngestName(name);
      const inWork = parsed.kind === 'own' && makerOf(this.linux, name, parsed.prefix) !== 'gone';
      return [{ ...parsed, name, ageMs: Date.now() - status.mtimeMs, inWork }];
    });
  }

  async removeIngest(name: string): Promise<void> {
    await rm(join(this.ingest, name), { recursive: true, force: true });
  }

  /** Where the blob lies, or will lie. @throws InvalidArgument for what is no sha256 digest. */
  path(digest: string): string {
    return join(this.blobs, hexOf(digest));
  }
}

function hexOf(digest: string): string {
  const hex = digest.startsWith('sha256:') ? digest.slice('sha256:'.length) : '';
  if (!HEX.test(hex)) throw invalidArgument(`unsupported digest ${digest}`);
  return hex;
}
