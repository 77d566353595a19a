import { Inject, Injectable } from '@nestjs/common';
import { isKind, messageOf } from '@gantry/shared/errors';
import type { BuildJob } from '@gantry/shared/queue';
import { planBuild, SCRATCH } from '../build/build-plan';
import { IgnorePatterns } from '../context/ignore-patterns';
import { BuildArguments } from '../dockerfile/build-arguments';
import { parseCheckOptions } from '../dockerfile/check-options';
import type { Dockerfile } from '../dockerfile/dockerfile';
import { parseDockerfile } from '../dockerfile/parse-dockerfile';
import { expandWord } from '../dockerfile/variables';
import { hostPlatform, parseImageConfig, parsePlatform } from '../images/image-config';
import { ImageLookup } from '../images/image-lookup';
import { checkDockerfile } from './check-dockerfile';
import type { Finding } from './check-rules';
import { outlineReport } from './outline-report';
import { lintReport, type Report, type Source } from './report';
import { targetsReport } from './targets-report';

type Asked = Pick<BuildJob, 'arguments' | 'target' | 'platform' | 'ignored'>;

/** Options of the checks that a client gives go before those of the Dockerfile. */
const OPTIONS = 'BUILDKIT_DOCKERFILE_CHECK';

/** Answers what clients of BuildKit ask of a Dockerfile without building it. */
@Injectable()
export class DockerfileReports {
  constructor(@Inject(ImageLookup) private readonly lookup: ImageLookup) {}

  /** @throws InvalidArgument where the Dockerfile cannot be read; a lint says so in its answer */
  async report(what: NonNullable<BuildJob['describe']>, source: Source, asked: Asked): Promise<Report> {
    if (what === 'lint') return this.lint(source, asked);
    const dockerfile = parseDockerfile(source.text, source.name);
    if (what === 'targets') return targetsReport(dockerfile, source);
    const variables = this.arguments(dockerfile, asked).forBase;
    const plan = planBuild(dockerfile, { target: asked.target, variables, labels: 0, contexts: {} });
    const stages = plan.stages.map(({ stage }) => stage);
    return outlineReport(dockerfile, { stages, arguments: asked.arguments, variables }, source);
  }

  private async lint(source: Source, asked: Asked): Promise<Report> {
    try {
      const dockerfile = parseDockerfile(source.text, source.name);
      return lintReport((await this.check(dockerfile, asked)).findings, source);
    } catch (error) {
      if (!isKind(error, 'InvalidArgument')) throw error;
      return lintReport([], source, messageOf(error));
    }
  }

  /** `isError`: findings are to end the build. */
  async check(dockerfile: Dockerfile, asked: Asked): Promise<{ findings: Finding[]; isError: boolean }> {
    const given = asked.arguments[OPTIONS];
    const options = given ? parseCheckOptions(given) : dockerfile.checks;
    const environments = await this.environments(dockerfile, asked);
    const findings = checkDockerfile(dockerfile, {
      options,
      arguments: asked.arguments,
      platforms: platformsOf(asked),
      environmentOf: (stage) => environments.get(stage),
      ignored: asked.ignored && new IgnorePatterns(asked.ignored),
    });
    return { findings, isError: options.isError && findings.length > 0 };
  }

  private arguments({ globals, escape }: Dockerfile, asked: Asked): BuildArguments {
    const scope = new BuildArguments(
      new Map(Object.entries(asked.arguments)),
      platformsOf(asked),
      asked.target || undefined,
    );
    for (const one of globals) scope.declareGlobal(one, escape);
    return scope;
  }

  /** Of the stages whose bases are here. */
  private async environments(dockerfile: Dockerfile, asked: Asked) {
    const variables = this.arguments(dockerfile, asked).forBase;
    const found = new Map<Dockerfile['stages'][number], string[]>();
    for (const stage of dockerfile.stages) {
      const base = expandWord(stage.base, { variables, escape: dockerfile.escape });
      const environment = base === SCRATCH ? [] : await this.environment(base);
      // Every build has a PATH.
      if (environment) found.set(stage, ['PATH=', ...environment]);
    }
    return found;
  }

  private async environment(base: string): Promise<string[] | undefined> {
    try {
      return parseImageConfig((await this.lookup.find(base)).config).config?.Env ?? [];
    } catch (error) {
      if (isKind(error, 'NotFound') || isKind(error, 'InvalidArgument')) return undefined;
      throw error;
    }
  }
}

/** Of several platforms, the first. */
function platformsOf({ platform }: Asked) {
  const build = hostPlatform();
  return { build, target: parsePlatform(platform.split(',')[0] ?? '') };
}
