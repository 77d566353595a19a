import { invalidArgument } from '@gantry/shared/errors';
import type { RegistryCredentials } from './registry';

/** The header X-Registry-Auth: base64url (or base64, with or without padding) of an AuthConfig. Empty: nobody. */
export function parseRegistryAuth(header: string): RegistryCredentials | undefined {
  if (header === '') return undefined;
  try {
    const document: unknown = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
    if (typeof document !== 'object' || document === null) throw new Error('not an object');
    return document as RegistryCredentials;
  } catch (error) {
    throw invalidArgument('invalid X-Registry-Auth header: invalid JSON', error);
  }
}
