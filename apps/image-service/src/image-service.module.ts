import { Module } from '@nestjs/common';
import { InstanceConfigModule } from '@gantry/shared/config';
import { LateSync } from '@gantry/shared/durability';
import { EventsModule } from '@gantry/shared/events';
import { createLinux, LINUX } from '@gantry/shared/linux';
import { LoggingModule } from '@gantry/shared/logging';
import { PeersModule } from '@gantry/shared/grpc';
import { BlobStore } from './blobs/blob-store';
import { buildProviders } from './build/build.providers';
import { BlobInspection } from './check/blob-inspection';
import { ContainerInspection } from './check/container-inspection';
import { DirectoryInspection } from './check/directory-inspection';
import { ImageDropping } from './check/image-dropping';
import { IngestInspection } from './check/ingest-inspection';
import { LayerIndex } from './check/layer-index';
import { LayerInspection } from './check/layer-inspection';
import { LayerRepair } from './check/layer-repair';
import { NodeCheck } from './check/node-check';
import { QueuedUploads } from './check/queued-uploads';
import { RowInspection } from './check/row-inspection';
import { RunInspection } from './check/run-inspection';
import { UnflushedInspection } from './check/unflushed-inspection';
import { CommitContainer } from './commit/commit-container';
import { BuildContexts } from './context/build-contexts';
import { Transfers } from './copy/transfers';
import { DataServer } from './data-socket/data-server';
import { DatabaseModule } from './database/database.module';
import { InspectDistribution } from './distribution/inspect-distribution';
import { RegistriesController } from './distribution/registries.controller';
import { SearchImages } from './distribution/search-images';
import { ExportImages } from './export/export-images';
import { ImageAttestations } from './images/image-attestations';
import { ImageCatalog } from './images/image-catalog';
import { ImageLookup } from './images/image-lookup';
import { ImageManifests } from './images/image-manifests';
import { ImageRemoval } from './images/image-removal';
import { ImagesController } from './images/images.controller';
import { ImageStore } from './images/image-store';
import { InspectImage } from './images/inspect-image';
import { LayerUsage } from './images/layer-usage';
import { ListImages } from './images/list-images';
import { PruneImages } from './images/prune-images';
import { DownloadArchive } from './import/download-archive';
import { ImportImage } from './import/import-image';
import { ImageJobWorker } from './jobs/image-jobs';
import { jobHandlers } from './jobs/job-handlers';
import { JobUploads } from './jobs/job-uploads';
import { IMAGE_SETTINGS, loadImageSettings } from './image-settings';
import { LayerArchive } from './layers/layer-archive';
import { LayerChains } from './layers/layer-chains';
import { LayerDirectories } from './layers/layer-directories';
import { LayerStore } from './layers/layer-store';
import { UNPACK_TASK } from './layers/layer-task';
import { LayerThreads } from './layers/layer-threads';
import { LayerIntake } from './layers/layer-intake';
import { LoadImages } from './load/load-images';
import { PlainArchive } from './load/plain-archive';
import { ManifestCatalog } from './manifests/manifest-catalog';
import { ManifestCollection } from './manifests/manifest-collection';
import { ManifestStore } from './manifests/manifest-store';
import { KeepAttestations } from './pull/keep-attestations';
import { PullImages } from './pull/pull-images';
import { PullLayers } from './pull/pull-layers';
import { BlobDownloads } from './downloads/blob-downloads';
import { CompressLayer } from './push/compress-layer';
import { LayerBlobs } from './push/layer-blobs';
import { PushContents } from './push/push-content';
import { PushIndexes } from './push/push-indexes';
import { PushImages } from './push/push-images';
import { PushLayers } from './push/push-layers';
import { REGISTRIES } from './registry/registry';
import { RegistryClient } from './registry/registry-client';
import { ImageRecords } from './records/image-records';
import { RestoreImages } from './records/restore-images';
import { Reconcile } from './reconcile/reconcile';
import { InitLayer } from './snapshots/init-layer';
import { RemappedLayers } from './snapshots/remapped-layers';
import { SnapshotDirectories } from './snapshots/snapshot-directories';
import { SnapshotsController } from './snapshots/snapshots.controller';
import { SnapshotStore } from './snapshots/snapshot-store';

@Module({
  imports: [
    InstanceConfigModule,
    LoggingModule.for('image-service'),
    EventsModule,
    DatabaseModule,
    PeersModule,
  ],
  providers: [
    { provide: LINUX, useFactory: createLinux },
    { provide: IMAGE_SETTINGS, useFactory: () => loadImageSettings() },
    { provide: UNPACK_TASK, useFactory: () => new LayerThreads().unpack },
    BlobStore,
    LayerDirectories,
    LayerStore,
    LayerChains,
    PullImages,
    PullLayers,
    KeepAttestations,
    BlobDownloads,
    { provide: REGISTRIES, useClass: RegistryClient },
    ManifestStore,
    ManifestCollection,
    LayerArchive,
    ImageStore,
    ImageLookup,
    ImageCatalog,
    LayerUsage,
    ListImages,
    InspectImage,
    ImageManifests,
    ImageAttestations,
    ManifestCatalog,
    ImageRemoval,
    PruneImages,
    RemappedLayers,
    LateSync,
    SnapshotDirectories,
    InitLayer,
    SnapshotStore,
    LayerIntake,
    PlainArchive,
    LoadImages,
    DownloadArchive,
    ImportImage,
    BuildContexts,
    Transfers,
    CommitContainer,
    ...buildProviders,
    CompressLayer,
    LayerBlobs,
    PushIndexes,
    PushContents,
    PushLayers,
    PushImages,
    ExportImages,
    DataServer,
    JobUploads,
    jobHandlers,
    ImageJobWorker,
    QueuedUploads,
    LayerIndex,
    ImageDropping,
    LayerRepair,
    IngestInspection,
    DirectoryInspection,
    ContainerInspection,
    RowInspection,
    RunInspection,
    UnflushedInspection,
    BlobInspection,
    LayerInspection,
    NodeCheck,
    ImageRecords,
    RestoreImages,
    Reconcile,
    ImagesController,
    InspectDistribution,
    SearchImages,
    RegistriesController,
    SnapshotsController,
  ],
})
export class ImageServiceModule {}
