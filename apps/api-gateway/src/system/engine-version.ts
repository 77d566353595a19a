import { statSync } from 'node:fs';
import os from 'node:os';
import { DOCKER_VERSION, ENGINE_VERSION } from '@gantry/shared/config';
import { NEWEST_API_VERSION, OLDEST_API_VERSION } from '../routing/api-version';

/** Go's names of architectures, which the API uses. */
const GO_ARCHITECTURES: Record<string, string> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
};

export const goArchitecture = (): string => GO_ARCHITECTURES[process.arch] ?? process.arch;

/** A program that the engine runs containers with. */
export interface Component {
  Name: string;
  Version: string;
}

/** API: SystemVersion. */
export function engineVersion(components: Component[], experimental: boolean): object {
  const facts = {
    ApiVersion: NEWEST_API_VERSION,
    MinAPIVersion: OLDEST_API_VERSION,
    GitCommit: process.env['GANTRY_GIT_COMMIT'] ?? '',
    GoVersion: `node${process.versions.node}`,
    Os: 'linux',
    Arch: goArchitecture(),
    KernelVersion: os.release(),
    BuildTime: buildTime(),
    ...(experimental && { Experimental: true }),
  };
  return {
    Platform: { Name: `Gantry Engine ${ENGINE_VERSION}` },
    Version: DOCKER_VERSION,
    ...facts,
    Components: [
      { Name: 'Engine', Version: DOCKER_VERSION, Details: { ...facts, Experimental: String(experimental) } },
      { Name: 'gantry', Version: ENGINE_VERSION, Details: { GitCommit: facts.GitCommit } },
      ...components.map((component) => ({ ...component, Details: { GitCommit: component.Version } })),
    ],
  };
}

/** When the running bundle was written. */
function buildTime(): string {
  try {
    return statSync(process.argv[1] ?? '').mtime.toISOString();
  } catch {
    return '';
  }
}
