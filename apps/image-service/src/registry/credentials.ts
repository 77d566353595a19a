import { checkFieldTypes, type Struct } from '@gantry/shared/documents';
import type { RegistryCredentials } from './registry';

const AUTH_CONFIG: Struct = {
  struct: 'registry.AuthConfig',
  fields: {
    username: 'string',
    password: 'string',
    auth: 'string',
    serveraddress: 'string',
    identitytoken: 'string',
    registrytoken: 'string',
  },
};

/**
 * The header X-Registry-Auth: base64url (or base64, with or without padding) of an AuthConfig. undefined: nobody. What is none
 * counts as nobody, as with dockerd: there are clients that send `null` or a word.
 */
export function parseRegistryAuth(header: string): RegistryCredentials | undefined {
  try {
    return registryCredentials(JSON.parse(Buffer.from(header, 'base64url').toString('utf8')));
  } catch {
    return undefined;
  }
}

/** @throws InvalidArgument in Docker's words where a field is not of its type. */
export function registryCredentials(document: unknown): RegistryCredentials | undefined {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return undefined;
  checkFieldTypes(document, AUTH_CONFIG);
  return document as RegistryCredentials;
}
