import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Provider } from '@nestjs/common';
import { INSTANCE_CONFIG, loadInstanceConfig } from '@gantry/shared/config';
import { LateSync } from '@gantry/shared/durability';
import { type EngineEvent, EventPublisher } from '@gantry/shared/events';
import { createLinux, LINUX } from '@gantry/shared/linux';
import { createLogger, LOGGER } from '@gantry/shared/logging';
import { type Member, tarOf } from '@gantry/shared/tar';
import { Test, type TestingModule } from '@nestjs/testing';
import { BlobStore } from '../blobs/blob-store';
import { CommitContainer } from '../commit/commit-container';
import { ImageDatabase } from '../database/image-database';
import { type PrivateDatabase, startPrivateDatabase } from '../database/private-database.fixture';
import { ExportImages } from '../export/export-images';
import { IMAGE_SETTINGS, loadImageSettings } from '../image-settings';
import { DownloadArchive } from '../import/download-archive';
import { ImportImage } from '../import/import-image';
import { LayerArchive } from '../layers/layer-archive';
import { LayerChains } from '../layers/layer-chains';
import { LayerDirectories } from '../layers/layer-directories';
import { LayerIntake } from '../layers/layer-intake';
import { LayerStore } from '../layers/layer-store';
import { UNPACK_TASK, type UnpackTask } from '../layers/layer-task';
import { makeLayer } from '../layers/make-layer';
import { LoadImages } from '../load/load-images';
import { PlainArchive } from '../load/plain-archive';
import { ManifestCatalog } from '../manifests/manifest-catalog';
import { ManifestCollection } from '../manifests/manifest-collection';
import { ManifestStore } from '../manifests/manifest-store';
import { ImageRecords } from '../records/image-records';
import { InitLayer } from '../snapshots/init-layer';
import { RemappedLayers } from '../snapshots/remapped-layers';
import { SnapshotDirectories } from '../snapshots/snapshot-directories';
import { SnapshotStore } from '../snapshots/snapshot-store';
import { ImageCatalog } from './image-catalog';
import { ImageLookup } from './image-lookup';
import { ImageManifests } from './image-manifests';
import { ImageAttestations } from './image-attestations';
import { ImageRemoval } from './image-removal';
import { ImageStore } from './image-store';
import { InspectImage } from './inspect-image';
import { LayerUsage } from './layer-usage';
import { ListImages } from './list-images';
import { PruneImages } from './prune-images';

/** What image-service is made of, on a database and a data root of its own, without jobs and sockets. */
export class ImageNode {
  /** Since the last {@link empty}. */
  readonly events: EngineEvent[] = [];

  private constructor(
    readonly app: TestingModule,
    readonly dataRoot: string,
    private readonly database: PrivateDatabase,
    events: EngineEvent[],
  ) {
    this.events = events;
  }

  /** `more`: what a test needs beside what is always there. */
  static async start(more: Provider[] = []): Promise<ImageNode> {
    const database = await startPrivateDatabase();
    if (!database) throw new Error('this needs PostgreSQL (Debian package postgresql)');
    const dataRoot = mkdtempSync(join(tmpdir(), 'image-data-'));
    const linux = createLinux();
    const config = loadInstanceConfig({
      GANTRY_NODE_ID: 'node',
      GANTRY_DATA_ROOT: dataRoot,
      DATABASE_URL: database.url,
    });
    const events: EngineEvent[] = [];
    const unpack: UnpackTask = (task, observer) => makeLayer(linux, task, observer);
    const app = await Test.createTestingModule({
      providers: [
        { provide: INSTANCE_CONFIG, useValue: config },
        { provide: LINUX, useValue: linux },
        { provide: LOGGER, useValue: createLogger('test', 'fatal') },
        { provide: UNPACK_TASK, useValue: unpack },
        { provide: IMAGE_SETTINGS, useValue: loadImageSettings({}) },
        { provide: ImageDatabase, useValue: new ImageDatabase(config) },
        { provide: EventPublisher, useValue: { publish: (event: EngineEvent) => events.push(event) } },
        ...[
          BlobStore,
          LayerDirectories,
          LayerStore,
          LayerArchive,
          ManifestStore,
          ManifestCollection,
          ManifestCatalog,
        ],
        ...[ImageRecords, ImageStore, ImageLookup, ImageCatalog, LayerUsage],
        ...[ListImages, InspectImage, ImageManifests, ImageAttestations, ImageRemoval, PruneImages],
        LateSync,
        ...[SnapshotDirectories, RemappedLayers, InitLayer, SnapshotStore],
        ...[LayerChains, LayerIntake, PlainArchive, LoadImages, DownloadArchive, ImportImage],
        ...[CommitContainer, ExportImages],
        ...more,
      ],
    }).compile();
    return new ImageNode(app, dataRoot, database, events);
  }

  async stop(): Promise<void> {
    await this.app.get(ImageRecords).saved();
    await this.app.get(ImageDatabase).$disconnect();
    await this.database.stop();
    rmSync(this.dataRoot, { recursive: true, force: true });
  }

  /** Removes all containers and images. */
  async empty(): Promise<void> {
    const snapshots = this.app.get(SnapshotStore);
    for (const { containerId } of await snapshots.list()) await snapshots.remove(containerId);
    for (const { Id } of await this.list({}, true)) {
      await this.app
        .get(ImageRemoval)
        .remove(Id, { force: true, prune: true })
        .catch(() => {});
    }
    this.events.splice(0);
  }

  list(filters: Record<string, string[]> = {}, all = false) {
    const terms = new Map(Object.entries(filters));
    return this.app.get(ListImages).list({ all, sharedSize: false, filters: terms });
  }

  async remove(name: string, force = false) {
    return (await this.app.get(ImageRemoval).remove(name, { force, prune: true })).items;
  }

  inspect(name: string) {
    return this.app.get(InspectImage).inspect(name);
  }

  /** One layer with `members`. Returns the image's id. */
  async importImage(name: string, more: { changes?: string[]; members?: Member[] } = {}): Promise<string> {
    const path = join(this.dataRoot, 'upload.tar');
    const seed: Member[] = [
      { name: 'etc/', type: 'directory' },
      { name: 'seed', type: 'file', data: 'x' },
    ];
    writeFileSync(path, tarOf(more.members ?? seed));
    const colon = name.lastIndexOf(':');
    const options = {
      source: '-',
      repository: name.slice(0, colon),
      tag: name.slice(colon + 1),
      message: '',
      changes: more.changes ?? [],
      platform: '',
      created: new Date(),
    };
    const context = { onLine: async () => {}, signal: new AbortController().signal };
    return this.app.get(ImportImage).import(path, options, context);
  }

  /** The read-write layer of a container that does not run. Returns the container's id. */
  async prepare(image: string): Promise<string> {
    const containerId = randomBytes(32).toString('hex');
    await this.app.get(SnapshotStore).prepare(containerId, image, '');
    return containerId;
  }
}
