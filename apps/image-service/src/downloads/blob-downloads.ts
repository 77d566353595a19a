import { constants, fstatSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { isKind } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { BlobStore } from '../blobs/blob-store';
import { IMAGE_SETTINGS, type ImageSettings } from '../image-settings';
import { FileGrowth } from '../layers/file-growth';
import type { Growth } from '../layers/layer-source';
import type { Repository } from '../registry/registry';
import { Slots } from '../slots';
import { mapOf, PartialFile } from './partial-file';
import { fetchSegment } from './segment-fetch';

/** A blob on its way: a file that grows from its beginning. */
export interface ArrivingBlob {
  path: string;
  growth: Growth;
}

export interface DownloadObserver {
  /** Bytes that are there, of all. */
  onProgress(present: number): void;
  onRetry(seconds: number): void;
  onArrived(): void;
}

interface WantedBlob {
  digest: string;
  /** Bytes. */
  size: number;
}

/** How often a file that another process downloads is looked at. Milliseconds. */
const LOCK_POLL_MS = 200;

/**
 * Blobs from registries into ingest/, resumable: what is on disk is never asked for again, whoever left it there. At most
 * `maxDownloads` requests run at a time.
 */
@Injectable()
export class BlobDownloads {
  private readonly slots: Slots;

  constructor(
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(IMAGE_SETTINGS) private readonly settings: ImageSettings,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'files'>,
  ) {
    this.slots = new Slots(settings.maxDownloads);
  }

  /**
   * Downloads a blob while `use` reads it. Whoever uses it moves the file away in the end; where they fail otherwise than
   * by `signal`, the bytes were bad and are dropped, as they are where the registry has other ones than the manifest says. Returns undefined when another process has brought the blob
   * meanwhile.
   */
  async fetch<T>(
    repository: Pick<Repository, 'blob'>,
    { digest, size }: WantedBlob,
    observer: DownloadObserver,
    signal: AbortSignal,
    use: (blob: ArrivingBlob, signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const path = this.blobs.downloadPath(digest);
    const handle = await this.lock(path, digest, signal);
    if (!handle) return undefined;
    const file = await PartialFile.open(path, handle, size, this.settings.downloadSegment);
    try {
      return await this.run(repository, digest, file, observer, signal, use);
    } finally {
      await file.close();
    }
  }

  private async run<T>(
    repository: Pick<Repository, 'blob'>,
    digest: string,
    file: PartialFile,
    observer: DownloadObserver,
    signal: AbortSignal,
    use: (blob: ArrivingBlob, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const growth = new FileGrowth();
    const failure = new AbortController();
    const both = AbortSignal.any([signal, failure.signal]);
    const arrived = this.download(repository, digest, file, growth, observer, both);
    arrived.catch((error: unknown) => {
      growth.fail(error);
      failure.abort(error);
    });
    try {
      const used = await use({ path: file.path, growth }, both);
      await arrived;
      rmSync(mapOf(file.path), { force: true });
      return used;
    } catch (error) {
      const isDownloads = failure.signal.aborted;
      failure.abort(error);
      await arrived.catch(() => {});
      const isBad = !isDownloads || isKind(failure.signal.reason, 'InvalidArgument');
      if (file.present === 0 || (isBad && !signal.aborted)) this.drop(file.path);
      throw failure.signal.reason;
    }
  }

  private async download(
    repository: Pick<Repository, 'blob'>,
    digest: string,
    file: PartialFile,
    growth: FileGrowth,
    observer: DownloadObserver,
    signal: AbortSignal,
  ): Promise<void> {
    const onBytes = () => {
      growth.reach(file.contiguous);
      observer.onProgress(file.present);
    };
    growth.reach(file.contiguous);
    const hooks = { onBytes, onRetry: (seconds: number) => observer.onRetry(seconds) };
    // The first that fails ends the others.
    const failure = new AbortController();
    const both = AbortSignal.any([signal, failure.signal]);
    const fetches = file.segments
      .filter((segment) => segment.start + segment.have < segment.end)
      .map((segment) =>
        this.slots
          .use(() => fetchSegment(repository, digest, file, segment, hooks, both), both)
          .catch((error: unknown) => failure.abort(error)),
      );
    await Promise.all(fetches);
    failure.signal.throwIfAborted();
    observer.onArrived();
  }

  private drop(path: string): void {
    rmSync(mapOf(path), { force: true });
    rmSync(path, { force: true });
  }

  /** The file, ours alone among all image-services; undefined when the blob is there by then. */
  private async lock(path: string, digest: string, signal: AbortSignal): Promise<FileHandle | undefined> {
    for (;;) {
      signal.throwIfAborted();
      if (this.blobs.claim(digest)) return undefined;
      const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
      if (this.linux.files.tryLock(handle.fd) && isStillAt(handle, path)) return handle;
      await handle.close();
      // The kernel tells nobody of a lock that is free without blocking a thread, which a cancelled job could not end.
      await setTimeout(LOCK_POLL_MS, undefined, { signal });
    }
  }
}

/** Whoever had the lock may have moved the file away. */
function isStillAt(handle: FileHandle, path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  return there?.ino === fstatSync(handle.fd).ino;
}
