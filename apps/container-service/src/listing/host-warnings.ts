import type { KernelLimits } from '../create/kernel-limits';

/** What this host cannot do for containers, in dockerd's words. */
export function hostWarnings(
  kernel: KernelLimits,
  { v2, forwarding }: { v2: boolean; forwarding: boolean },
): string[] {
  const wanted: [boolean, string][] = [
    [kernel.memory, 'No memory limit support'],
    [kernel.swap, 'No swap limit support'],
    [kernel.oomKillDisable || v2, 'No oom kill disable support'],
    [kernel.cpuCfs, 'No cpu cfs quota support'],
    [kernel.cpuCfs, 'No cpu cfs period support'],
    [kernel.cpuShares, 'No cpu shares support'],
    [kernel.cpuset, 'No cpuset support'],
    [forwarding, 'IPv4 forwarding is disabled'],
  ];
  return wanted.filter(([there]) => !there).map(([, text]) => `WARNING: ${text}`);
}
