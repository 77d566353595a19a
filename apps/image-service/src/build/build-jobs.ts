import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import type { BuildJob } from '@gantry/shared/queue';
import { BuildContexts } from '../context/build-contexts';
import type { SourceTree } from '../context/source-tree';
import type { Dockerfile } from '../dockerfile/dockerfile';
import { parseDockerfile } from '../dockerfile/parse-dockerfile';
import { ParseFailure } from '../dockerfile/parse-failure';
import { RULES, urlOf } from '../dockerfile-reports/check-rules';
import { DockerfileReports } from '../dockerfile-reports/dockerfile-reports';
import type { Source } from '../dockerfile-reports/report';
import { LayerDirectories } from '../layers/layer-directories';
import type { JobContext } from '../jobs/image-job';
import { JobUploads } from '../jobs/job-uploads';
import { type OnLine, type OnLines, ProgressLines } from '../progress/progress-lines';
import { Reconcile } from '../reconcile/reconcile';
import { BuildImages } from './build-images';
import { parseRegistryConfig } from './registry-config';
import { RunProcesses } from './run/run-process';
import { CommandFailed } from './run-step';
import { StepDirectories } from './step-directories';

/** The job `build`: from the upload to the lines that the client reads. */
@Injectable()
export class BuildJobs {
  private checked: Promise<void> | undefined;

  constructor(
    @Inject(JobUploads) private readonly uploads: JobUploads,
    @Inject(BuildContexts) private readonly contexts: BuildContexts,
    @Inject(StepDirectories) private readonly directories: StepDirectories,
    @Inject(LayerDirectories) private readonly layers: LayerDirectories,
    @Inject(BuildImages) private readonly builds: BuildImages,
    @Inject(RunProcesses) private readonly processes: RunProcesses,
    @Inject(Reconcile) private readonly reconcile: Reconcile,
    @Inject(DockerfileReports) private readonly reports: DockerfileReports,
  ) {}

  /** A command that fails ends the build in order: the client learns its exit code from the last line. */
  async run(request: BuildJob, job: JobContext): Promise<unknown> {
    if (job.isAgain) await this.takeOver();
    // After a power cut no step is taken from the cache before the sweep has seen that its layer is whole.
    this.checked ??= this.layers.hasDoubtful() ? this.reconcile.run() : Promise.resolve();
    await this.checked;
    const lines = request.quiet ? new QuietLines(job) : undefined;
    try {
      const id = await this.build(request, {
        ...job,
        ...(lines && { onLine: lines.onLine, onLines: lines.onLines }),
      });
      if (lines) await job.onLine({ stream: `${id}\n` });
      return { id };
    } catch (error) {
      await lines?.giveUp();
      if (!(error instanceof CommandFailed)) throw error;
      const message = messageOf(error);
      await job.onLine({ errorDetail: { code: error.code, message }, error: message });
      return {};
    }
  }

  /** There is no image: the answer is a line. */
  private async describe(source: Source, request: BuildJob, onLine: OnLine): Promise<string> {
    const { describe = 'lint' } = request;
    await onLine({ aux: { description: await this.reports.report(describe, source, request) } });
    return '';
  }

  /** A client of BuildKit gets the text too, to show where something is wrong. */
  private async parse(source: Source, request: BuildJob, onLine: OnLine): Promise<Dockerfile> {
    if (!request.isForBuildKit) return parseDockerfile(source.text, source.name);
    await onLine({ aux: { source } });
    try {
      const dockerfile = parseDockerfile(source.text, source.name);
      await this.check(dockerfile, request, onLine);
      return dockerfile;
    } catch (error) {
      if (error instanceof ParseFailure) {
        await onLine({ aux: { failed: { line: error.line, endLine: error.line } } });
      }
      throw error;
    }
  }

  /** @throws InvalidArgument as BuildKit words it, where the Dockerfile wants what is found to be an error */
  private async check(dockerfile: Dockerfile, request: BuildJob, onLine: OnLine): Promise<void> {
    const { findings, isError } = await this.reports.check(dockerfile, request);
    if (findings.length === 0) return;
    const warnings = findings.map((found) => ({
      ...found,
      description: RULES[found.rule],
      url: urlOf(found.rule),
    }));
    await onLine({ aux: { warnings } });
    if (!isError) return;
    const rules = [...new Set(findings.map(({ rule }) => rule))].join(', ');
    throw invalidArgument(`lint violation found for rules: ${rules}`);
  }

  /** The files of the named contexts. */
  private async openNamed(
    { contexts }: BuildJob,
    { scratch, lines, signal, opened }: NamedSite,
  ): Promise<Map<string, SourceTree>> {
    const trees = new Map<string, SourceTree>();
    for (const [name, context] of Object.entries(contexts)) {
      if (context.kind === 'image' || context.kind === 'layout') continue;
      const own = join(scratch, `context-${trees.size}`);
      mkdirSync(own, { mode: 0o700 });
      const upload = context.kind === 'upload' ? this.uploads.path(context.uploadId) : undefined;
      const remote = context.kind === 'remote' ? context.url : '';
      const tree = await this.contexts.openTree(
        { upload, remote, dockerfile: '', scratch: own },
        lines,
        signal,
      );
      opened.push(tree);
      trees.set(name, tree);
    }
    return trees;
  }

  /**
   * The process that had the build may have died for good. What runs for it yet would write to the same caches; the rest of
   * what it has left goes meanwhile.
   */
  private async takeOver(): Promise<void> {
    await this.processes.endAbandoned();
    void this.reconcile.run();
  }

  private async build(
    request: BuildJob,
    { id, created, signal, onLine, onLines }: JobContext,
  ): Promise<string> {
    const registries = parseRegistryConfig(await this.uploads.text(request.credentialsId));
    const { remote, dockerfile, uploadId, dockerfileId } = request;
    const text = dockerfileId === '' ? undefined : await this.uploads.text(dockerfileId);
    const upload = uploadId === '' ? undefined : this.uploads.path(uploadId);
    if (request.describe && text !== undefined) {
      const source = { name: dockerfile, text };
      return this.describe(source, request, onLine);
    }
    const scratch = this.directories.scratch();
    try {
      const lines = new ProgressLines(onLine);
      const context = await this.contexts.open({ upload, remote, dockerfile, text, scratch }, lines, signal);
      const opened: { close(): void }[] = [context];
      try {
        const trees = await this.openNamed(request, { scratch, lines, signal, opened });
        await lines.flush();
        const source = { name: context.dockerfileName, text: context.dockerfile };
        if (request.describe) return await this.describe(source, request, onLine);
        const parsed = await this.parse(source, request, onLine);
        return await this.builds.build(parsed, request, {
          jobId: id,
          created,
          signal,
          onLines,
          registries,
          context: { tree: context.tree, scratch },
          trees,
        });
      } finally {
        for (const one of opened) one.close();
      }
    } finally {
      await this.directories.discard(scratch);
    }
  }
}

interface NamedSite {
  scratch: string;
  lines: ProgressLines;
  signal: AbortSignal;
  /** What its caller closes at the end. */
  opened: { close(): void }[];
}

/** Says nothing unless the build fails. */
class QuietLines implements Pick<JobContext, 'onLine' | 'onLines'> {
  private readonly held: unknown[] = [];
  readonly onLine: OnLine = async (line) => void this.held.push(line);
  readonly onLines: OnLines = async (lines) => void this.held.push(...lines);

  constructor(private readonly out: JobContext) {}

  async giveUp(): Promise<void> {
    await this.out.onLines(this.held.splice(0));
  }
}
