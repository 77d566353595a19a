import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { EngineError, forbidden } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { type OciMount, processEnvironment, resolveUser } from '@gantry/shared/oci';
import type { StageArguments } from '../dockerfile/build-arguments';
import type { RunInstruction } from '../dockerfile/dockerfile';
import { type RunCommand, runCommandOf } from '../dockerfile/run-command';
import { parseRunMount } from '../dockerfile/run-mounts';
import { expandWord } from '../dockerfile/variables';
import type { StoredLayer } from '../layers/layer-store';
import type { BuildOutput } from './build-output';
import type { BuildScope, PlannedStep } from './build-scope';
import { type BuiltImage, configOf, topOf } from './built-image';
import { networkFiles } from './run/run-files';
import type { RunNetwork } from './run/run-network';
import { type OnOutput, type RunOrder, RunProcesses } from './run/run-process';
import { missingPaths, removeStubs } from './run/mount-stubs';
import { type OpenMounts, type PlannedMounts, RunMounts } from './run/run-mounts';
import { runSpec } from './run/run-spec';
import { AGENT_VARIABLE, SessionMounts } from './run/session-mounts';
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
  script: RunCommand['script'];
  mounts: PlannedMounts;
  environment: string[];
  network: string;
}

/** RUN: a process straight on an overlay whose upper directory becomes the layer. */
@Injectable()
export class RunStep {
  constructor(
    @Inject(StepDirectories) private readonly directories: StepDirectories,
    @Inject(RunProcesses) private readonly processes: RunProcesses,
    @Inject(RunMounts) private readonly mounts: RunMounts,
    @Inject(ThrowawayMounts) private readonly throwaway: ThrowawayMounts,
    @Inject(SessionMounts) private readonly ofSession: SessionMounts,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** @throws Forbidden for what a build may not ask for */
  async plan(
    image: BuiltImage,
    instruction: RunInstruction,
    { args, stageIndex }: { args: StageArguments; stageIndex: number },
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<PlannedStep> {
    if (instruction.security === 'insecure') {
      throw forbidden('security.insecure is not allowed: RUN --security=insecure is refused');
    }
    const config = configOf(image);
    const { argv, script } = runCommandOf(instruction, config);
    const expansion = { variables: args.variables(config.Env), escape: scope.escape };
    const mounts = await this.mounts.plan(
      instruction.mounts.map((text) => parseRunMount(text, (word) => expandWord(word, expansion))),
      { workingDirectory: config.WorkingDir ?? '/', stageIndex, scope, output },
    );
    const counted = args.forCache(config.Env);
    const network = instruction.network === 'default' ? scope.request.networkMode : instruction.network;
    const declared = args.forRun(config.Env);
    const environment = [...(config.Env ?? []), ...declared];
    const order = { image, argv, script, environment, network, mounts };
    return {
      inputs: {
        run: argv,
        script: script?.content,
        arguments: counted,
        mounts: mounts.inputs,
        ...(instruction.network !== 'default' && { network }),
      },
      createdBy: [...(declared.length > 0 ? [`|${counted.length}`, ...counted] : []), ...argv].join(' '),
      config,
      perform: () => this.perform(order, scope, output),
      close: mounts.close,
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
    { image, argv, script, environment, mounts }: Order,
    network: RunNetwork,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<void> {
    const config = configOf(image);
    const name = this.directories.nameOf(step);
    const hostname = createHash('sha256').update(name).digest('hex').slice(0, 12);
    const cwd = posix.resolve('/', config.WorkingDir ?? '');
    if (cwd !== '/') closeSync(this.linux.paths.mkdirAllInRoot(step.root, cwd));
    const volumes = this.throwaway.volumes(step, Object.keys(config.Volumes ?? {}));
    const opened = await mounts.open(step);
    try {
      const bundle = this.bundle(step, opened);
      const all = [
        ...networkFiles(bundle, hostname, network),
        ...volumes,
        ...opened.mounts,
        ...(script ? [scriptMount(bundle, script)] : []),
      ].sort((a, b) => depth(a.destination) - depth(b.destination));
      const stubs = missingPaths(
        this.linux,
        step.root,
        opened.mounts.map(({ destination }) => destination),
      );
      output.running(hostname);
      const user = resolveUser(this.linux.paths, step.root, config.User ?? '', null);
      const given = [...environment, ...opened.environment.filter((one) => !isAgentKnown(one, environment))];
      const env = processEnvironment(given, { hostname, tty: false, home: user.home, links: [] });
      const ids = { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids };
      const spec: RunOrder['spec'] = ({ cgroup, seccomp, appArmorProfile }) =>
        runSpec({
          root: step.root,
          hostname,
          cgroup,
          netns: network.netns,
          process: { args: argv, env, cwd, user: ids },
          mounts: all,
          limits: scope.request.limits,
          seccomp,
          appArmorProfile,
        });
      const { cgroupParent } = scope.request.limits;
      const tell: OnOutput = (stream, text) => output.command(stream, inWordsOfRunc(text));
      const code = await this.processes.run({ name, bundle, cgroupParent, spec }, tell, scope.signal);
      removeStubs(this.linux, step.root, stubs);
      if (scope.request.removesContainers) output.removed(hostname);
      if (code !== 0) throw new CommandFailed(argv.join(' '), code);
    } finally {
      await opened.close();
    }
  }

  /** Where the runtime's specification lies: with secrets among the variables only in memory. */
  private bundle(step: StepDirectory, { environment }: OpenMounts): string {
    if (environment.length > 0) return this.ofSession.inMemory(step, BUNDLE);
    const bundle = join(step.path, BUNDLE);
    mkdirSync(bundle, { mode: 0o700 });
    return bundle;
  }
}

const BUNDLE = 'bundle';

/** An image that says itself where its agent is keeps that (BuildKit, client/llb). */
const isAgentKnown = (variable: string, environment: string[]): boolean =>
  variable.startsWith(`${AGENT_VARIABLE}=`) &&
  environment.some((one) => one.startsWith(`${AGENT_VARIABLE}=`));

/** `/a` before `/a/b`. */
const depth = (path: string): number => path.split('/').filter(Boolean).length;

function scriptMount(bundle: string, { path, content }: NonNullable<RunCommand['script']>): OciMount {
  const source = join(bundle, 'script');
  writeFileSync(source, content, { mode: 0o755 });
  return { destination: path, type: 'bind', source, options: ['rbind', 'rprivate', 'ro'] };
}

/** A program of another architecture, for which the host has no emulator. */
const inWordsOfRunc = (text: string): string =>
  text.replace(/^exec container process `(.*)`: Exec format error$/m, 'exec $1: exec format error');
