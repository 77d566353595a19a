import type { HostConfig } from '../records/api-documents';
import { parseSecurityOptions } from '../spec/security-options';

/** `--security-opt`. @throws InvalidArgument in Docker's words. */
export function checkSecurity(
  hostConfig: HostConfig,
  facts: { appArmor: boolean },
  warnings: string[],
): void {
  const security = parseSecurityOptions(hostConfig.SecurityOpt, hostConfig.Privileged);
  warnings.push(...security.warnings);
  if (facts.appArmor || security.apparmor === undefined || security.apparmor === 'unconfined') return;
  warnings.push('AppArmor is not available on this host: profile ignored');
}
