import { readdirSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';

/** Those that every host has. */
const HOST = ['system.slice', 'user.slice', 'machine.slice'];

/** The slices of `--cgroup-parent`: systemd makes them with the first scope in them, and keeps them when the last has gone. */
@Injectable()
export class EmptySlices {
  constructor(
    @Inject(LINUX) private readonly linux: Pick<Linux, 'cgroups' | 'processes'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Ends those above a scope that is no more: where nothing is in them, and nobody has set anything for them. */
  async endAbove(scope: string): Promise<void> {
    const parts = scope.split('/').filter(Boolean);
    for (let length = parts.length - 1; length > 0; length--) {
      const slice = parts[length - 1] ?? '';
      if (!slice.endsWith('.slice') || HOST.includes(slice)) return;
      if (!this.isEmpty(`/${parts.slice(0, length).join('/')}`) || (await this.isConfigured(slice))) return;
      // Without its dependencies: a scope that somebody begins in it now is not ended with it.
      const { code, stderr } = await this.systemctl('stop', '--job-mode=ignore-dependencies', slice);
      if (code !== 0) return this.logger.warn({ slice, err: stderr.trim() }, 'empty slice not ended');
    }
  }

  /** Whether there is no group below it, in any hierarchy. */
  private isEmpty(group: string): boolean {
    return Object.values(this.linux.cgroups.directories(group)).every((directory) => {
      try {
        return !readdirSync(directory, { withFileTypes: true }).some((entry) => entry.isDirectory());
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return true;
        throw error;
      }
    });
  }

  private async isConfigured(slice: string): Promise<boolean> {
    const { stdout } = await this.systemctl(
      'show',
      '-p',
      'FragmentPath',
      '-p',
      'DropInPaths',
      '--value',
      slice,
    );
    return stdout.trim() !== '';
  }

  private systemctl(...args: string[]) {
    return this.linux.processes.run(['systemctl', ...args], { timeoutMs: 10_000 });
  }
}
