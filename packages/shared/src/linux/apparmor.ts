import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, SystemError } from './errno';
import type { Processes } from './processes/processes';
import { which } from './which';

/** AppArmor: profiles that the kernel confines programs by (apparmor(7)). */
export interface AppArmor {
  /** Whether this kernel confines by profiles, and they can be loaded: its files are seen (not in most containers), the parser is there. */
  available(): boolean;
  /** Whether the kernel knows the profile now: whoever administers the host may unload it. */
  isLoaded(profile: string): boolean;
  /** Loads profiles, or replaces those of their names. `source`: as apparmor.d(5). @throws SystemError with the parser's words */
  load(source: string): Promise<void>;
}

const PARSER = 'apparmor_parser';
const ENABLED = 'module/apparmor/parameters/enabled';
/** A line each: `name (mode)`. */
const LOADED = 'kernel/security/apparmor/profiles';
const EINVAL = 22;

export class KernelAppArmor implements AppArmor {
  constructor(
    private readonly processes: Pick<Processes, 'run'>,
    private readonly sysfs = '/sys',
  ) {}

  available(): boolean {
    const enabled = textOf(join(this.sysfs, ENABLED)).startsWith('Y');
    return enabled && existsSync(join(this.sysfs, LOADED)) && which(PARSER) !== undefined;
  }

  isLoaded(profile: string): boolean {
    return textOf(join(this.sysfs, LOADED))
      .split('\n')
      .some((line) => line.slice(0, line.lastIndexOf(' (')) === profile);
  }

  async load(source: string): Promise<void> {
    // Not out of its cache and not into it: the profile is no file of the host's.
    const { code, stderr } = await this.processes.run([PARSER, '--skip-cache', '--replace'], {
      stdin: source,
    });
    if (code !== 0) throw new SystemError(EINVAL, PARSER, undefined, stderr.trim());
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES')) return '';
    throw error;
  }
}
