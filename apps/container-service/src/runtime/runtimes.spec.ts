import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstanceConfig } from '@gantry/shared/config';
import type { Linux } from '@gantry/shared/linux';
import type { Logger } from '@gantry/shared/logging';
import { MonitorPaths } from './monitor-paths';
import { Runtimes } from './runtimes';

it('a runtime is given a minute to show that it works: a host that is booting is busy', async () => {
  const place = mkdtempSync(join(tmpdir(), 'runtimes-'));
  const limits: (number | undefined)[] = [];
  const run = async (command: string[], options?: { timeoutMs?: number }) => {
    if (!command.includes('run')) return { code: 0, stdout: '', stderr: '' };
    limits.push(options?.timeoutMs);
    return { code: null, stdout: '', stderr: '' }; // killed when the time was over
  };
  const linux = {
    host: { which: (name: string) => (name === 'crun' ? '/usr/bin/crun' : undefined) },
    cgroups: { prepareHost: () => [] },
    processes: { run },
  } as unknown as Linux;
  const config = {
    ...{ runDir: place, dataRoot: place },
    ...{ cgroupDriver: 'cgroupfs', cgroupParent: '/spec' },
  } as InstanceConfig;
  const logger = { info: jest.fn(), warn: jest.fn() };
  try {
    const runtimes = new Runtimes(linux, config, logger as unknown as Logger, new MonitorPaths(config));
    await runtimes.probe();
    expect(limits).toEqual([60_000]);
    expect(logger.warn).toHaveBeenCalledWith(
      { runtime: 'crun', reason: 'did not end within 60 s' },
      'OCI runtime does not work on this host',
    );
    expect(() => runtimes.choose('')).toThrow('no OCI runtime (crun, runc) works on this host');
  } finally {
    rmSync(place, { recursive: true });
  }
});
