// What `npm start` sets on the host besides installing packages.
import { writeFileSync } from 'node:fs';
import { favorMigration, prepareCgroups } from './cgroups.mjs';
import { output } from './programs.mjs';
import { makeRemapAccount } from './remap-account.mjs';

/**
 * @param {import('./requirements.mjs').Finding[]} findings
 * @returns {Promise<string[]>} what was done, one sentence each
 */
export async function prepareHost(findings) {
  const done = [];
  const toPrepare = new Set(findings.filter(({ state }) => state === 'prepare').map(({ name }) => name));
  if (toPrepare.has('overlayfs')) {
    await output('modprobe', ['overlay']);
    done.push('loaded the kernel module overlay');
  }
  if (toPrepare.has('cgroups')) done.push(...(await prepareCgroups()));
  if (toPrepare.has('cgroup moves')) done.push(await favorMigration());
  if (toPrepare.has('dockremap')) done.push(await makeRemapAccount());
  if (toPrepare.has('ip_forward')) {
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    done.push('set net.ipv4.ip_forward=1, so that containers reach the network');
  }
  return done;
}
