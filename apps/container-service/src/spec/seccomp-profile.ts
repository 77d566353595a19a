import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import { LINUX, type Linux, type OciSeccomp, type OciSyscallArgument } from '@gantry/shared/linux';

/** What `--security-opt seccomp=` said: Docker's default, none at all, or the text of a profile. */
export type SeccompChoice =
  { kind: 'default' } | { kind: 'unconfined' } | { kind: 'custom'; profile: string };

interface DockerSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  archMap?: { architecture: string; subArchitectures: string[] }[];
  syscalls?: DockerSyscall[];
}

interface DockerSyscall {
  name?: string;
  names?: string[];
  action: string;
  errnoRet?: number;
  args?: OciSyscallArgument[];
  includes?: Conditions;
  excludes?: Conditions;
}

interface Conditions {
  caps?: string[];
  arches?: string[];
  minKernel?: string;
}

/** Profiles of containers, and their compiled form; both depend on the capabilities only, so a few are kept. */
@Injectable()
export class SeccompProfiles {
  private readonly compiled = new Map<string, string | undefined>();
  private readonly profiles = new Map<string, OciSeccomp>();

  constructor(@Inject(LINUX) private readonly linux: Linux) {}

  /** undefined: no filter. */
  profile(choice: SeccompChoice, capabilities: string[]): OciSeccomp | undefined {
    if (choice.kind === 'unconfined') return undefined;
    const key = keyOf(choice, capabilities);
    let profile = this.profiles.get(key);
    if (!profile) {
      profile =
        choice.kind === 'default'
          ? this.linux.seccomp.defaultProfile(capabilities)
          : this.fromDockerProfile(choice.profile, capabilities);
      remember(this.profiles, key, profile);
    }
    return profile;
  }

  /** Base64 of the BPF program, for crun's annotation; undefined without libseccomp or a filter. */
  program(choice: SeccompChoice, capabilities: string[]): string | undefined {
    const profile = this.profile(choice, capabilities);
    if (!profile) return undefined;
    const key = keyOf(choice, capabilities);
    if (!this.compiled.has(key)) {
      remember(this.compiled, key, this.linux.seccomp.compile(profile)?.toString('base64'));
    }
    return this.compiled.get(key);
  }

  /** Docker's own format (profiles/seccomp of moby), with its conditions on capabilities, architecture and kernel. */
  private fromDockerProfile(text: string, capabilities: string[]): OciSeccomp {
    let given: DockerSeccomp;
    try {
      given = JSON.parse(text) as DockerSeccomp;
    } catch (error) {
      throw invalidArgument(`Decoding seccomp profile failed: ${messageOf(error)}`);
    }
    const arch = ARCHITECTURES[this.linux.host.uname().machine];
    const [major = 0, minor = 0] = this.linux.host.kernelVersion();
    const holds = (conditions: Conditions | undefined, all: boolean): boolean => {
      const checks = [
        ...(conditions?.caps ?? []).map((cap) => capabilities.includes(cap)),
        ...(conditions?.arches?.length ? [conditions.arches.includes(arch?.go ?? '')] : []),
        ...(conditions?.minKernel ? [atLeast([major, minor], conditions.minKernel)] : []),
      ];
      return all ? checks.every(Boolean) : checks.some(Boolean);
    };
    const mapped = given.archMap?.find((entry) => entry.architecture === arch?.scmp);
    return {
      defaultAction: given.defaultAction,
      defaultErrnoRet: given.defaultErrnoRet,
      architectures: mapped ? [mapped.architecture, ...mapped.subArchitectures] : given.architectures,
      syscalls: (given.syscalls ?? [])
        .filter((rule) => holds(rule.includes, true) && !holds(rule.excludes, false))
        .map((rule) => ({
          names: rule.names ?? (rule.name ? [rule.name] : []),
          action: rule.action,
          errnoRet: rule.errnoRet,
          args: rule.args ?? [],
        })),
    };
  }
}

const ARCHITECTURES: Record<string, { go: string; scmp: string }> = {
  x86_64: { go: 'amd64', scmp: 'SCMP_ARCH_X86_64' },
  aarch64: { go: 'arm64', scmp: 'SCMP_ARCH_AARCH64' },
};

function keyOf(choice: SeccompChoice, capabilities: string[]): string {
  const text = choice.kind === 'custom' ? choice.profile : choice.kind;
  return `${[...capabilities].sort().join(' ')}\n${text}`;
}

const KEPT = 16;

function remember<T>(cache: Map<string, T>, key: string, value: T): void {
  if (cache.size >= KEPT) cache.delete(cache.keys().next().value ?? '');
  cache.set(key, value);
}

function atLeast([major, minor]: [number, number], wanted: string): boolean {
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
