import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { BlobStore, type IngestFile } from '../blobs/blob-store';
import { IMAGE_SETTINGS, type ImageSettings } from '../image-settings';
import { type Finding, type Inspection, SETTLED_MS } from './finding';
import { QueuedUploads } from './queued-uploads';

const HOUR_MS = 3_600_000;

/** What lies in ingest/ and belongs to nobody. */
@Injectable()
export class IngestInspection implements Inspection {
  readonly subject = 'arriving files';

  constructor(
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(IMAGE_SETTINGS) private readonly settings: ImageSettings,
    @Inject(QueuedUploads) private readonly queued: QueuedUploads,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'files'>,
  ) {}

  async *inspect(): AsyncGenerator<Finding> {
    const files = this.blobs.listIngest();
    const isUpload = files.some(({ kind }) => kind === 'upload');
    const wanted = isUpload ? await this.queued.words() : undefined;
    for (const file of files) {
      const problem = this.problemOf(file, wanted);
      if (problem === undefined) continue;
      const mend = async () => {
        await this.blobs.removeIngest(file.name);
        return 'removed';
      };
      const by = file.kind === 'unknown' ? 'repair' : 'sweep';
      yield { kind: 'ingest', id: file.name, problem, mending: { by, mend } };
    }
  }

  private problemOf(file: IngestFile, wanted: Set<string> | undefined): string | undefined {
    const settled = file.ageMs > SETTLED_MS;
    switch (file.kind) {
      case 'own':
        return file.inWork ? undefined : 'was left by a process that is gone';
      case 'upload':
        return settled && wanted && !wanted.has(file.uploadId) ? 'is an upload that no job needs' : undefined;
      case 'download': {
        const { partialMaxHours } = this.settings;
        if (file.ageMs <= partialMaxHours * HOUR_MS || this.isLocked(file.name)) return undefined;
        return `is part of a download that nobody has resumed for ${partialMaxHours} hours`;
      }
      case 'unknown':
        return settled ? 'is nothing that Gantry has put there' : undefined;
    }
  }

  /** Whoever downloads holds a lock, however slow the registry is. */
  private isLocked(name: string): boolean {
    let fd: number;
    try {
      fd = openSync(join(this.blobs.ingest, name), constants.O_RDONLY);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return true;
      throw error;
    }
    try {
      return !this.linux.files.tryLock(fd);
    } finally {
      closeSync(fd);
    }
  }
}
