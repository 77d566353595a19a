import { isIP } from 'node:net';
import { invalidArgument } from '@gantry/shared/errors';

/** `--add-host name:address`; `host-gateway` is the host's. @throws InvalidArgument in Docker's words */
export function checkExtraHosts(hosts: readonly string[] | null): void {
  for (const host of hosts ?? []) {
    const colon = host.indexOf(':');
    if (colon < 1) throw invalidArgument(`bad format for add-host: "${host}"`);
    const address = host.slice(colon + 1);
    if (address !== 'host-gateway' && !isIP(address.trim().replace(/^\[(.*)\]$/, '$1'))) {
      throw invalidArgument(`invalid IP address in add-host: "${address}"`);
    }
  }
}
