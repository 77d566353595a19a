import { readdirSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { Provider } from '@nestjs/common';
import { RunProcesses } from '../build/run/run-process';
import { RunRuntimes } from '../build/run/run-runtime';
import { ImageDatabase } from '../database/image-database';
import { ImageNode } from '../images/image-node.fixture';
import { BlobInspection } from './blob-inspection';
import { ContainerInspection } from './container-inspection';
import { DirectoryInspection } from './directory-inspection';
import { ImageDropping } from './image-dropping';
import { IngestInspection } from './ingest-inspection';
import { LayerIndex } from './layer-index';
import { LayerInspection } from './layer-inspection';
import { LayerRepair } from './layer-repair';
import { type CheckOptions, NodeCheck, type ToldFinding } from './node-check';
import { QueuedUploads } from './queued-uploads';
import { RowInspection } from './row-inspection';
import { RunInspection } from './run-inspection';
import { UnflushedInspection } from './unflushed-inspection';

const HOUR_MS = 3_600_000;

/** An image-service with its check, and jobs that need the uploads named in `queued`. */
export class CheckedNode {
  private constructor(
    readonly node: ImageNode,
    readonly queued: Set<string>,
  ) {}

  static async start(more: Provider[] = []): Promise<CheckedNode> {
    const queued = new Set<string>();
    const node = await ImageNode.start([
      { provide: QueuedUploads, useValue: { words: async () => queued } },
      ...[LayerIndex, ImageDropping, LayerRepair, IngestInspection, DirectoryInspection],
      ...[
        RunRuntimes,
        RunProcesses,
        RunInspection,
        UnflushedInspection,
        ContainerInspection,
        RowInspection,
        BlobInspection,
        LayerInspection,
        NodeCheck,
      ],
      ...more,
    ]);
    return new CheckedNode(node, queued);
  }

  /** What `gantry check` would say. */
  async check(options: Partial<CheckOptions> = {}): Promise<ToldFinding[]> {
    const told: ToldFinding[] = [];
    await this.node.app.get(NodeCheck).check({ repair: false, ...options }, async (line) => {
      if (typeof line === 'object' && line !== null && 'problem' in line) told.push(line as ToldFinding);
    });
    return told;
  }

  /** What is found, mended, and not found again. */
  async repaired(options: Partial<CheckOptions> = {}): Promise<string[]> {
    const told = await this.check({ ...options, repair: true });
    const left = await this.check(options);
    return [
      ...told.map(({ kind, problem, action }) => `${kind} ${problem}: ${action}`),
      ...left.map(({ kind, id, problem }) => `still: ${kind} ${id} ${problem}`),
    ];
  }

  async empty(): Promise<void> {
    await this.node.empty();
    await this.database.manifest.deleteMany();
    await this.database.layerBlob.deleteMany();
    for (const name of readdirSync(this.path('image/blobs/sha256'))) {
      rmSync(this.path('image/blobs/sha256', name));
    }
  }

  sweep(): Promise<void> {
    return this.node.app.get(NodeCheck).sweep();
  }

  get database(): ImageDatabase {
    return this.node.app.get(ImageDatabase);
  }

  path(...names: string[]): string {
    return join(this.node.dataRoot, ...names);
  }

  /** As if the file or directory had been left alone for some hours. */
  ageFile(path: string, hours = 2): void {
    const then = new Date(Date.now() - hours * HOUR_MS);
    utimesSync(path, then, then);
  }

  /** As if all rows were some hours old. */
  async ageRows(): Promise<void> {
    for (const [table, column] of [
      ['layers', 'created_at'],
      ['layer_blobs', 'created_at'],
      ['manifests', 'created_at'],
      ['snapshots', 'created_at'],
      ['blob_sources', 'seen_at'],
    ]) {
      await this.database.$executeRawUnsafe(
        `UPDATE "${table}" SET "${column}" = "${column}" - interval '2 hours'`,
      );
    }
  }
}
