import { Inject, Injectable } from '@nestjs/common';
import { messageOf } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { BlobInspection } from './blob-inspection';
import { ContainerInspection } from './container-inspection';
import { DirectoryInspection } from './directory-inspection';
import type { Finding, OnProgress } from './finding';
import { IngestInspection } from './ingest-inspection';
import { LayerInspection } from './layer-inspection';
import { RowInspection } from './row-inspection';
import { RunInspection } from './run-inspection';
import { UnflushedInspection } from './unflushed-inspection';

/** A finding as it is told: the lines of the job `check`. */
export interface ToldFinding {
  kind: Finding['kind'];
  id: string;
  problem: string;
  repaired: boolean;
  /** What was done about it, or why nothing was. */
  action?: string;
}

export interface CheckSummary {
  problems: number;
  repaired: number;
  left: number;
}

export interface CheckOptions {
  repair: boolean;
  /** Ids of all containers there are; undefined: not known. */
  containerIds?: string[];
}

type OnLine = (line: unknown) => Promise<void>;

/** Looks at everything of this service that is on disk and in the index, and mends it. */
@Injectable()
export class NodeCheck {
  constructor(
    @Inject(RunInspection) private readonly runs: RunInspection,
    @Inject(IngestInspection) private readonly ingest: IngestInspection,
    @Inject(DirectoryInspection) private readonly directories: DirectoryInspection,
    @Inject(UnflushedInspection) private readonly unflushed: UnflushedInspection,
    @Inject(ContainerInspection) private readonly containers: ContainerInspection,
    @Inject(RowInspection) private readonly rows: RowInspection,
    @Inject(BlobInspection) private readonly blobs: BlobInspection,
    @Inject(LayerInspection) private readonly layers: LayerInspection,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Mends what a sweep may mend, and says nothing but in the log. */
  sweep(): Promise<void> {
    return this.mendQuietly(this.structure());
  }

  /** The part of a sweep that gives what is on disk its rows. */
  indexDirectories(): Promise<void> {
    return this.mendQuietly(this.directories.inspect());
  }

  private async mendQuietly(findings: AsyncGenerator<Finding>): Promise<void> {
    for await (const finding of findings) {
      if (finding.mending?.by !== 'sweep') {
        this.logger.warn(
          { kind: finding.kind, id: finding.id, problem: finding.problem },
          'gantry check --repair may help',
        );
        continue;
      }
      const { action } = await this.mend(finding);
      this.logger.info({ kind: finding.kind, id: finding.id, problem: finding.problem, action }, 'swept');
    }
  }

  /** The job `check`: everything, with all bytes read and hashed. */
  async check(options: CheckOptions, onLine: OnLine): Promise<CheckSummary> {
    const summary: CheckSummary = { problems: 0, repaired: 0, left: 0 };
    const onProgress: OnProgress = ({ subject, current, total }) =>
      onLine({ status: `Reading ${subject}`, id: subject, progressDetail: { current, total } });
    await onLine({ status: 'Comparing disk and index' });
    for await (const finding of this.everything(options, onProgress)) {
      const told = await this.tell(finding, options.repair);
      summary.problems += 1;
      summary[told.repaired ? 'repaired' : 'left'] += 1;
      await onLine(told);
    }
    await onLine({ summary });
    return summary;
  }

  private async *everything(options: CheckOptions, onProgress: OnProgress): AsyncGenerator<Finding> {
    yield* this.structure();
    if (options.containerIds) yield* this.containers.inspect(new Set(options.containerIds));
    // A layer is unpacked again only from a blob that has been seen to be good.
    yield* this.blobs.verify(onProgress);
    yield* this.layers.verify(onProgress);
  }

  /** Disk against index. In this order, since each leaves the next less to do. */
  private async *structure(): AsyncGenerator<Finding> {
    for (const inspection of [
      this.runs,
      this.ingest,
      this.directories,
      this.unflushed,
      this.rows,
      this.blobs,
    ])
      yield* inspection.inspect();
  }

  private async tell(finding: Finding, repair: boolean): Promise<ToldFinding> {
    const { kind, id, problem } = finding;
    if (!repair) return { kind, id, problem, repaired: false };
    const { repaired, action } = await this.mend(finding);
    return { kind, id, problem, repaired, action };
  }

  private async mend({ kind, id, mending }: Finding): Promise<{ repaired: boolean; action: string }> {
    if (!mending) return { repaired: false, action: 'has to be mended by hand' };
    try {
      const action = await mending.mend();
      if (action !== undefined) return { repaired: true, action };
      return { repaired: false, action: 'is in use by a container' };
    } catch (error) {
      this.logger.error({ err: error, kind, id }, 'not mended');
      return { repaired: false, action: messageOf(error) };
    }
  }
}
