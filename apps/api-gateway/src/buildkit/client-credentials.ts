import { CredentialsRequest, CredentialsResponse } from '@gantry/proto/session';
import { SESSION_CALLS, type SessionConnection } from '@gantry/shared/buildkit';

/** What Docker Hub is called by whoever asks for credentials (BuildKit, docker/cli). */
const DOCKER_HUB = 'registry-1.docker.io';
const DOCKER_HUB_CONFIG = 'https://index.docker.io/v1/';

/**
 * The header X-Registry-Config (API: ImageBuild) with what the client has for the registries of a Dockerfile's base images, and
 * of `more` images; empty where it has nothing.
 */
export async function registryConfigFor(
  session: SessionConnection,
  dockerfile: string,
  more: string[],
): Promise<string> {
  const config: Record<string, { username: string; password: string }> = {};
  for (const host of registriesOf([...imagesOf(dockerfile), ...more])) {
    const asked = host === DOCKER_HUB_CONFIG ? DOCKER_HUB : host;
    const answer = await session
      .ask(SESSION_CALLS.credentials, CredentialsRequest.encode({ host: asked }).finish())
      .catch(() => undefined); // a client without credentials does not offer the service
    if (!answer) continue;
    const { username, secret } = CredentialsResponse.decode(answer);
    if (username !== '' || secret !== '') config[host] = { username, password: secret };
  }
  return Object.keys(config).length === 0 ? '' : Buffer.from(JSON.stringify(config)).toString('base64url');
}

/** The images that are named by FROM and by --from. */
const imagesOf = (dockerfile: string): string[] =>
  [...dockerfile.matchAll(/^\s*FROM\s+(?:--\S+\s+)*(\S+)|--from=(\S+)/gim)].map(
    ([, base, from]) => base ?? from ?? '',
  );

/** A name out of variables has none that is known yet. */
function registriesOf(names: string[]): Set<string> {
  const hosts = new Set<string>();
  for (const name of names) {
    const first = name.split('/')[0] ?? '';
    if (name.includes('/') && /[.:]|^localhost$/.test(first)) hosts.add(first);
    else if (name !== 'scratch' && /^[a-z0-9]/.test(name)) hosts.add(DOCKER_HUB_CONFIG);
  }
  return hosts;
}
