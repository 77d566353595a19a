import { createHash } from 'node:crypto';
import { closeSync, mkdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { EngineError, forbidden, notImplemented } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { processEnvironment, resolveUser } from '@gantry/shared/oci';
import { wordsOf } from '../dockerfile/apply-instruction';
import type { StageArguments } from '../dockerfile/build-arguments';
import type { RunInstruction } from '../dockerfile/dockerfile';
import type { StoredLayer } from '../layers/layer-store';
import type { BuildOutput } from './build-output';
import type { BuildScope, PlannedStep } from './build-scope';
import { type BuiltImage, configOf, topOf } from './built-image';
import { networkFiles } from './run/run-files';
import type { RunNetwork } from './run/run-network';
import { RunProcesses } from './run/run-process';
import { runSpec } from './run/run-spec';
import { ThrowawayMounts } from './run/throwaway-mounts';
import { StepDirectories, type StepDirectory } from './step-directories';

/** A command of RUN that ended with another code than 0. */
export class CommandFailed extends EngineError {
  constructor(
    command: string,
    readonly code: number,
  ) {
    super('InvalidArgument', `The command '${command}' returned a non-zero code: ${code}`);
  }
}

interface Order {
  image: BuiltImage;
  argv: string[];
  environment: string[];
  network: string;
}

/** RUN: a process straight on an overlay whose upper directory becomes the layer. */
@Injectable()
export class RunStep {
  constructor(
    @Inject(StepDirectories) private readonly directories: StepDirectories,
    @Inject(RunProcesses) private readonly processes: RunProcesses,
    @Inject(ThrowawayMounts) private readonly throwaway: ThrowawayMounts,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** @throws Forbidden for what a build may not ask for */
  plan(
    image: BuiltImage,
    instruction: RunInstruction,
    args: StageArguments,
    scope: BuildScope,
    output: BuildOutput,
  ): PlannedStep {
    if (instruction.security === 'insecure') {
      throw forbidden('security.insecure is not allowed: RUN --security=insecure is refused');
    }
    if (instruction.mounts.length > 0) throw notImplemented('RUN --mount is not built yet');
    if (instruction.command.documents.length > 0) {
      throw notImplemented('RUN with here-documents is not built yet');
    }
    const config = configOf(image);
    const argv = wordsOf(instruction.command, config);
    const counted = args.forCache(config.Env);
    const network = instruction.network === 'default' ? scope.request.networkMode : instruction.network;
    const order = { image, argv, environment: [...(config.Env ?? []), ...args.forRun(config.Env)], network };
    return {
      inputs: { run: argv, arguments: counted, ...(instruction.network !== 'default' && { network }) },
      createdBy: [...(counted.length > 0 ? [`|${counted.length}`, ...counted] : []), ...argv].join(' '),
      config,
      perform: () => this.perform(order, scope, output),
    };
  }

  private perform(order: Order, scope: BuildScope, output: BuildOutput): Promise<StoredLayer | undefined> {
    return scope.networks.use(order.network, async (network) => {
      const top = topOf(order.image);
      const step = this.directories.open(top, { forRunning: true });
      try {
        await this.run(step, order, network, scope, output);
      } catch (error) {
        await this.directories.close(step);
        throw error;
      }
      return this.directories.commit(step, top, scope);
    });
  }

  private async run(
    step: StepDirectory,
    { image, argv, environment }: Order,
    network: RunNetwork,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<void> {
    const config = configOf(image);
    const name = this.directories.nameOf(step);
    const hostname = createHash('sha256').update(name).digest('hex').slice(0, 12);
    const user = resolveUser(this.linux.paths, step.root, config.User ?? '', null);
    const cwd = posix.resolve('/', config.WorkingDir ?? '');
    if (cwd !== '/') closeSync(this.linux.paths.mkdirAllInRoot(step.root, cwd));
    const bundle = join(step.path, 'bundle');
    mkdirSync(bundle, { mode: 0o700 });
    const mounts = [
      ...networkFiles(bundle, hostname, network),
      ...this.throwaway.volumes(step, Object.keys(config.Volumes ?? {})),
    ];
    output.running(hostname);
    const code = await this.processes.run(
      {
        name,
        bundle,
        spec: ({ cgroup, seccomp }) =>
          runSpec({
            root: step.root,
            hostname,
            cgroup,
            netns: network.netns,
            process: {
              args: argv,
              env: processEnvironment(environment, { hostname, tty: false, home: user.home, links: [] }),
              cwd,
              user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
            },
            mounts,
            limits: scope.request.limits,
            seccomp,
          }),
      },
      (stream, text) => output.command(stream, text),
      scope.signal,
    );
    if (scope.request.removesContainers) output.removed(hostname);
    if (code !== 0) throw new CommandFailed(argv.join(' '), code);
  }
}
