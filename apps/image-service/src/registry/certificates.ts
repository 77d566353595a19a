import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { invalidArgument } from '@gantry/shared/errors';

/** PEM texts. */
export interface HostCertificates {
  /** Besides those that the system trusts. */
  authorities: string[];
  client?: { certificate: string; key: string };
}

/**
 * `<directory>/<host[:port]>`: every `*.crt` is an authority, every `*.cert` a client certificate with its `*.key` beside it
 * (Docker documentation, "Verify repository client with certificates").
 * @throws InvalidArgument as dockerd words it
 */
export function certificatesOf(directory: string, host: string): HostCertificates {
  const folder = join(directory, host);
  if (!existsSync(folder)) return { authorities: [] };
  const names = readdirSync(folder).sort();
  const found: HostCertificates = { authorities: [] };
  for (const name of names) {
    const read = () => readFileSync(join(folder, name), 'utf8');
    if (name.endsWith('.crt')) found.authorities.push(read());
    if (name.endsWith('.cert')) {
      const keyName = name.replace(/\.cert$/, '.key');
      if (!names.includes(keyName)) {
        throw invalidArgument(
          `missing key ${keyName} for client certificate ${name}. CA certificates must use the extension .crt`,
        );
      }
      found.client ??= { certificate: read(), key: readFileSync(join(folder, keyName), 'utf8') };
    }
    if (name.endsWith('.key') && !names.includes(name.replace(/\.key$/, '.cert'))) {
      throw invalidArgument(`missing client certificate ${name.replace(/\.key$/, '.cert')} for key ${name}`);
    }
  }
  return found;
}
