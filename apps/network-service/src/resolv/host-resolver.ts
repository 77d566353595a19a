import { readFileSync, statSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import type { ResolverSettings } from '../records/sandbox-record';
import { parseResolvConf, RESOLVED_UPSTREAM } from './resolv-conf';

const HOST_FILE = '/etc/resolv.conf';

/** The host's resolv.conf as containers may use it, read again when it changed. */
@Injectable()
export class HostResolver {
  private cached?: { stamp: string; settings: ResolverSettings };

  settings(): ResolverSettings {
    const stamp = stampOf(HOST_FILE);
    if (this.cached?.stamp !== stamp) this.cached = { stamp, settings: read() };
    return this.cached.settings;
  }
}

function read(): ResolverSettings {
  const settings = parseResolvConf(readText(HOST_FILE));
  const onlyStub = settings.servers.length === 1 && settings.servers[0] === '127.0.0.53';
  return onlyStub ? parseResolvConf(readText(RESOLVED_UPSTREAM)) : settings;
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
