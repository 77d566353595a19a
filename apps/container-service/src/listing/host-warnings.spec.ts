import type { KernelLimits } from '../create/kernel-limits';
import { hostWarnings } from './host-warnings';

it('names what a host cannot do, in dockerd’s words', () => {
  const all = { memory: true, swap: true, oomKillDisable: true, cpuCfs: true, cpuShares: true, cpuset: true };
  const warnings = (less: Partial<KernelLimits>, v2 = false, forwarding = true) =>
    hostWarnings({ ...all, ...less } as KernelLimits, { v2, forwarding });
  expect(warnings({})).toEqual([]);
  expect(warnings({ swap: false }, false, false)).toEqual([
    'WARNING: No swap limit support',
    'WARNING: IPv4 forwarding is disabled',
  ]);
  // cgroup v2 has no such thing to miss.
  expect(warnings({ oomKillDisable: false }, true)).toEqual([]);
  expect(warnings({ oomKillDisable: false })).toEqual(['WARNING: No oom kill disable support']);
});
