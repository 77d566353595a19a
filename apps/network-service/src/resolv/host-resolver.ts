import { readFileSync, statSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import type { ResolverSettings } from '../records/sandbox-record';
import { parseResolvConf, PUBLIC_SERVERS, RESOLVED_UPSTREAM } from './resolv-conf';

const HOST_FILE = '/etc/resolv.conf';

/** The host's resolv.conf, read again when it changed. */
@Injectable()
export class HostResolver {
  private cached?: { stamp: string; settings: ResolverSettings };

  /** As a container may use them that asks servers itself: instead of systemd-resolved's stub, whom that asks. */
  settings(): ResolverSettings {
    const { settings } = this.current();
    const onlyStub = settings.servers.length === 1 && settings.servers[0] === '127.0.0.53';
    return onlyStub ? parseResolvConf(readText(RESOLVED_UPSTREAM)) : settings;
  }

  /** Whom we ask for a container, from the host's network: loopback servers too, such as stubs that know more. */
  serversOfHost(): string[] {
    const { servers } = this.current().settings;
    return servers.length > 0 ? servers : PUBLIC_SERVERS;
  }

  private current(): { settings: ResolverSettings } {
    const stamp = stampOf(HOST_FILE);
    if (this.cached?.stamp !== stamp) this.cached = { stamp, settings: parseResolvConf(readText(HOST_FILE)) };
    return this.cached;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found ? `${found.ino}:${found.mtimeMs}:${found.size}` : 'absent';
}
