import { invalidArgument } from '@gantry/shared/errors';
import type { SeccompChoice } from './seccomp-profile';

export interface SecurityOptions {
  /** undefined: not given. */
  noNewPrivileges?: boolean;
  seccomp: SeccompChoice;
  /** undefined: not given. */
  apparmor?: string;
  /** undefined: not given; a privileged container's are writable. */
  writableCgroups?: boolean;
  warnings: string[];
}

/** `--security-opt`, each `name`, `name=value` or (old) `name:value`. @throws InvalidArgument in Docker's words. */
export function parseSecurityOptions(
  options: readonly string[] | null,
  privileged: boolean,
): SecurityOptions {
  const parsed: SecurityOptions = {
    seccomp: { kind: privileged ? 'unconfined' : 'default' },
    warnings: [],
  };
  for (const option of options ?? []) {
    if (option === 'no-new-privileges') {
      parsed.noNewPrivileges = true;
      continue;
    }
    if (option === 'writable-cgroups') {
      parsed.writableCgroups = true;
      continue;
    }
    if (option === 'disable') continue; // labels, which this host does not have
    const at = option.search(/[=:]/);
    if (at < 0) throw invalidArgument(`invalid --security-opt 1: ${JSON.stringify(option)}`);
    const [name, value] = [option.slice(0, at), option.slice(at + 1)];
    if (name === 'seccomp') parsed.seccomp = seccompChoice(value);
    else if (name === 'no-new-privileges') parsed.noNewPrivileges = booleanOf(value, option);
    else if (name === 'writable-cgroups') parsed.writableCgroups = booleanOf(value, option);
    else if (name === 'apparmor') parsed.apparmor = value;
    else if (name === 'label') {
      if (value !== 'disable')
        parsed.warnings.push('SELinux is not available on this host: label option ignored');
    } else throw invalidArgument(`invalid --security-opt 2: ${JSON.stringify(option)}`);
  }
  return parsed;
}

function seccompChoice(value: string): SeccompChoice {
  if (value === 'unconfined') return { kind: 'unconfined' };
  return value === 'builtin' || value === '' ? { kind: 'default' } : { kind: 'custom', profile: value };
}

function booleanOf(value: string, option: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw invalidArgument(`invalid --security-opt 2: ${JSON.stringify(option)}`);
}
