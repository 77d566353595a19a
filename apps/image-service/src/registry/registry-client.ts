import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { unauthorized } from '@gantry/shared/errors';
import { IMAGE_SETTINGS, type ImageSettings } from '../image-settings';
import { Authorizer } from './authorizer';
import { readBody } from './body';
import type { LoginResult, Registries, RegistryCredentials, Repository, SearchResult } from './registry';
import { engineErrorOf, RegistryError } from './registry-errors';
import { RegistryRepository } from './registry-repository';
import { DEFAULT_REGISTRY, RegistrySession } from './registry-session';
import { searchRegistry } from './registry-search';
import { Transport } from './transport';

const MAX_PING = 64 * 1024;

/** All registries that this service speaks with. */
@Injectable()
export class RegistryClient implements Registries, OnApplicationShutdown {
  private readonly transport: Transport;
  private readonly authorizer: Authorizer;

  constructor(@Inject(IMAGE_SETTINGS) private readonly settings: ImageSettings) {
    this.transport = new Transport(settings);
    this.authorizer = new Authorizer(this.transport);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.transport.close();
  }

  repository(
    repository: string,
    credentials: RegistryCredentials | undefined,
    access: 'pull' | 'push',
  ): Repository {
    const domain = repository.slice(0, repository.indexOf('/'));
    return new RegistryRepository(repository, this.session(domain, credentials, access === 'pull'), access);
  }

  async login(credentials: RegistryCredentials): Promise<LoginResult> {
    const domain = domainOf(credentials.serveraddress ?? '');
    // What was remembered of an earlier try must not decide about this one.
    const authorizer = new Authorizer(this.transport);
    const session = this.session(domain, credentials, false, authorizer);
    try {
      const answer = await session.ask({ method: 'GET', path: '/v2/' }, [200]);
      await readBody(answer.body, MAX_PING);
      const refresh = await authorizer.refreshToken(answer.url.origin, credentials);
      return { Status: 'Login Succeeded', IdentityToken: refresh ?? '' };
    } catch (error) {
      if (error instanceof RegistryError && (error.status === 401 || error.status === 403)) {
        const host = domain === DEFAULT_REGISTRY ? 'registry-1.docker.io' : domain;
        throw unauthorized(`Get "https://${host}/v2/": ${error.message}`, error);
      }
      throw engineErrorOf(error);
    }
  }

  async search(
    term: string,
    options: { limit: number; credentials?: RegistryCredentials; signal?: AbortSignal },
  ): Promise<SearchResult[]> {
    try {
      return await searchRegistry(
        (domain) => this.session(domain, options.credentials, false),
        term,
        options,
      );
    } catch (error) {
      throw engineErrorOf(error);
    }
  }

  private session(
    domain: string,
    credentials: RegistryCredentials | undefined,
    withMirrors: boolean,
    authorizer = this.authorizer,
  ): RegistrySession {
    return new RegistrySession(domain, credentials, this.transport, authorizer, this.settings, withMirrors);
  }
}

/** `https://index.docker.io/v1/`, `localhost:5000`, `https://host/v2/` or empty, which is Docker Hub. */
function domainOf(address: string): string {
  const host = address.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return host === '' || host === 'index.docker.io' ? DEFAULT_REGISTRY : host;
}
