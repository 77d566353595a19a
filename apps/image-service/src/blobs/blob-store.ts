import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { dataLoss, invalidArgument } from '@gantry/shared/errors';

const UPLOAD_PREFIX = 'upload-';
const UPLOAD_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** `<data root>/image`: blobs by their digest, and in ingest/ whatever is still arriving. */
@Injectable()
export class BlobStore {
  readonly ingest: string;
  private readonly blobs: string;

  constructor(@Inject(INSTANCE_CONFIG) config: InstanceConfig) {
    this.ingest = join(config.dataRoot, 'image', 'ingest');
    this.blobs = join(config.dataRoot, 'image', 'blobs', 'sha256');
    mkdirSync(this.ingest, { recursive: true, mode: 0o700 });
    mkdirSync(this.blobs, { recursive: true, mode: 0o700 });
  }

  /** Stores small bytes for good: written, synced, verified, renamed, directory synced. Returns the digest. */
  put(bytes: Uint8Array, expected?: string): string {
    const digest = digestOf(bytes);
    if (expected !== undefined && expected !== digest) {
      throw dataLoss(`blob digest is ${digest}, not ${expected}`);
    }
    const path = this.path(digest);
    if (existsSync(path)) return digest;
    const temporary = join(this.ingest, `blob-${randomBytes(16).toString('hex')}`);
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    syncDirectory(this.blobs);
    return digest;
  }

  has(digest: string): boolean {
    return existsSync(this.path(digest));
  }

  remove(digest: string): void {
    rmSync(this.path(digest), { force: true });
  }

  /** Where an upload of this id is kept. @throws InvalidArgument for an id that is no plain name. */
  uploadPath(uploadId: string): string {
    if (!UPLOAD_ID.test(uploadId)) throw invalidArgument(`invalid upload id ${JSON.stringify(uploadId)}`);
    return join(this.ingest, UPLOAD_PREFIX + uploadId);
  }

  /** A new name in ingest/ for a job's own file. */
  temporaryPath(): string {
    return join(this.ingest, `job-${randomBytes(16).toString('hex')}`);
  }

  /** Removes what has lain in ingest/ for longer than `ageMs`, and so belongs to nobody any more. */
  async removeStale(ageMs: number): Promise<void> {
    for (const name of await readdir(this.ingest)) {
      const path = join(this.ingest, name);
      const status = await stat(path).catch(() => undefined);
      if (status && Date.now() - status.mtimeMs > ageMs) await rm(path, { recursive: true, force: true });
    }
  }

  /** Where the blob lies, or will lie. @throws InvalidArgument for what is no sha256 digest. */
  path(digest: string): string {
    const hex = /^sha256:([a-f0-9]{64})$/.exec(digest)?.[1];
    if (hex === undefined) throw invalidArgument(`unsupported digest ${digest}`);
    return join(this.blobs, hex);
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
