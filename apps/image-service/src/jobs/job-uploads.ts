import { readFile, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { notFound } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { uploadsOf } from '@gantry/shared/queue';
import { BlobStore } from '../blobs/blob-store';
import { parseRegistryAuth } from '../registry/credentials';
import type { RegistryCredentials } from '../registry/registry';

/** What a gateway has put on the image-data socket for a job: bytes to load, and credentials, which must not lie in Redis. */
@Injectable()
export class JobUploads {
  constructor(
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @throws NotFound when it has been dropped */
  path(uploadId: string): string {
    const path = this.blobs.uploadPath(uploadId);
    if (!existsSync(path)) throw notFound(`upload ${uploadId} is not there (any more)`);
    return path;
  }

  /** `credentialsId` empty: nobody's. @throws InvalidArgument for what is no X-Registry-Auth */
  async credentials(credentialsId: string): Promise<RegistryCredentials | undefined> {
    return parseRegistryAuth(await this.text(credentialsId));
  }

  /** An upload that is a text; empty where there is none. */
  async text(uploadId: string): Promise<string> {
    return uploadId === '' ? '' : readFile(this.path(uploadId), 'utf8');
  }

  /** Removes whatever the data of a job names, once the job has ended. */
  async drop(data: object): Promise<void> {
    for (const id of uploadsOf(data)) {
      await rm(this.blobs.uploadPath(id), { force: true }).catch((error: unknown) => {
        this.logger.warn({ err: error }, 'upload not removed');
      });
    }
  }
}
