import { isIP } from 'node:net';
import { z } from 'zod';
import { listSetting, readSettings, SettingError } from './settings';

/** Whom containers ask that do not say so themselves: dockerd's `dns`, `dns-search`, `dns-opts`. Empty: as the host does. */
export interface DnsDefaults {
  servers: string[];
  search: string[];
  options: string[];
}

const environment = z.object({
  GANTRY_DNS: listSetting,
  GANTRY_DNS_SEARCH: listSetting,
  GANTRY_DNS_OPTS: listSetting,
});

const DOMAIN = /^(\.|([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.?)$/i;

/** @throws SettingError that names the variable which is wrong, in dockerd's words */
export function dnsDefaults(env: NodeJS.ProcessEnv = process.env): DnsDefaults {
  const e = readSettings(environment, env);
  const noAddress = e.GANTRY_DNS.find((server) => isIP(server) === 0);
  if (noAddress !== undefined) {
    throw new SettingError(`GANTRY_DNS: ParseAddr(${JSON.stringify(noAddress)}): unable to parse IP`);
  }
  const noDomain = e.GANTRY_DNS_SEARCH.find((domain) => !DOMAIN.test(domain));
  if (noDomain !== undefined) throw new SettingError(`GANTRY_DNS_SEARCH: ${noDomain} is not a valid domain`);
  return { servers: e.GANTRY_DNS, search: e.GANTRY_DNS_SEARCH, options: e.GANTRY_DNS_OPTS };
}

/** What a container was given, and the rest of `defaults`. */
export function withDnsDefaults(own: DnsDefaults, defaults: DnsDefaults): DnsDefaults {
  const of = (field: keyof DnsDefaults) => (own[field].length > 0 ? own[field] : defaults[field]);
  return { servers: of('servers'), search: of('search'), options: of('options') };
}
