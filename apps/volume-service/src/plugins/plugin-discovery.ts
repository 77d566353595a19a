import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { messageOf, notFound, unavailable } from '@gantry/shared/errors';
import { PLUGIN_SETTINGS, type PluginSettings } from '../config';

/** Where a plugin listens. */
export interface PluginAddress {
  name: string;
  /** `unix:///path` or `tcp://host:port`, with TLS `https://host:port`. */
  url: string;
  tls?: { ca?: Buffer; cert?: Buffer; key?: Buffer; rejectUnauthorized: boolean };
  /** A managed plugin (v2) has declared what it is, and is not asked by `Plugin.Activate`. */
  managed: boolean;
}

/** A `.json` file (Docker's plugin API, "Plugin discovery"). */
interface JsonSpec {
  Addr?: string;
  TLSConfig?: { InsecureSkipVerify?: boolean; CAFile?: string; CertFile?: string; KeyFile?: string };
}

/** What names were found, and how the directories looked that they were found in. */
interface Seen {
  directories: { path: string; stamp: string }[];
  names: string[];
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const MANAGED_ID = /^[0-9a-f]{64}$/;

/**
 * Finds plugins as dockerd does: `<name>.sock` or `<name>/<name>.sock` below the sockets' directory, `.spec` and `.json`
 * in the others, and the sockets of managed plugins in directories named by their id. Looked for when asked: a plugin may
 * come, go and move at any time.
 */
@Injectable()
export class PluginDiscovery {
  private seen?: Seen;

  constructor(@Inject(PLUGIN_SETTINGS) private readonly settings: PluginSettings) {}

  /** @throws NotFound, Unavailable where a file about it cannot be read. */
  find(name: string): PluginAddress {
    const plain = name.replace(/:latest$/, '');
    for (const path of NAME.test(plain) ? this.candidates(plain) : []) {
      if (statSync(path, { throwIfNoEntry: false })) return this.read(plain, path);
    }
    throw notFound(`error looking up volume plugin ${name}: plugin ${JSON.stringify(name)} not found`);
  }

  /** The names of all that can be found. */
  names(): string[] {
    if (!this.seen || this.seen.directories.some(({ path, stamp }) => stampOf(path) !== stamp)) {
      this.seen = this.look();
    }
    return this.seen.names;
  }

  private look(): Seen {
    const directories: Seen['directories'] = [];
    const entriesIn = (path: string): string[] => {
      directories.push({ path, stamp: stampOf(path) });
      return entriesOf(path);
    };
    const files = [this.settings.sockets, ...this.settings.specs].flatMap((directory) =>
      entriesIn(directory).flatMap((entry) => [
        entry,
        ...entriesIn(join(directory, entry)).filter((inner) => isSpecOf(entry, inner)),
      ]),
    );
    const known = files.filter((file) => ['.sock', '.spec', '.json'].includes(extname(file)));
    const names = [...new Set(known.map((file) => basename(file, extname(file))))];
    return { directories, names: names.filter((name) => NAME.test(name)) };
  }

  private candidates(name: string): string[] {
    const { sockets, specs } = this.settings;
    const managed = entriesOf(sockets).filter((entry) => MANAGED_ID.test(entry));
    const places = (directory: string, extension: string) => [
      join(directory, `${name}${extension}`),
      join(directory, name, `${name}${extension}`),
    ];
    return [
      ...places(sockets, '.sock'),
      ...managed.map((id) => join(sockets, id, `${name}.sock`)),
      ...specs.flatMap((directory) =>
        ['.sock', '.spec', '.json'].flatMap((extension) => places(directory, extension)),
      ),
    ];
  }

  private read(name: string, path: string): PluginAddress {
    const managed = MANAGED_ID.test(basename(join(path, '..')));
    try {
      if (path.endsWith('.sock')) return { name, url: `unix://${path}`, managed };
      const text = readFileSync(path, 'utf8').trim();
      if (path.endsWith('.spec')) return { name, url: checkUrl(text), managed };
      const { Addr = '', TLSConfig } = JSON.parse(text) as JsonSpec;
      return { name, url: checkUrl(Addr), tls: TLSConfig && tlsOf(TLSConfig), managed };
    } catch (error) {
      throw unavailable(`error looking up volume plugin ${name}: ${path}: ${messageOf(error)}`, error);
    }
  }
}

function tlsOf({ InsecureSkipVerify, CAFile, CertFile, KeyFile }: NonNullable<JsonSpec['TLSConfig']>) {
  const read = (file?: string) => (file ? readFileSync(file) : undefined);
  return {
    ca: read(CAFile),
    cert: read(CertFile),
    key: read(KeyFile),
    rejectUnauthorized: !InsecureSkipVerify,
  };
}

function checkUrl(text: string): string {
  if (!/^(unix:\/\/\/|tcp:\/\/[^/]|https?:\/\/[^/])/.test(text))
    throw new Error(`unknown protocol in ${text}`);
  return text;
}

const isSpecOf = (directory: string, file: string): boolean =>
  MANAGED_ID.test(directory) || basename(file, extname(file)) === directory;

/** A directory whose time is younger may change once more without it showing: some file systems count in seconds. */
const SETTLED_MS = 3_000;

/** The same for as long as the directory has the same entries; never the same twice where that is not sure. */
function stampOf(path: string): string {
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    if (!status?.isDirectory()) return 'no directory';
    const settled = Math.abs(Date.now() - status.mtimeMs) > SETTLED_MS;
    return `${status.dev}.${status.ino}.${status.mtimeMs}.${settled ? '' : randomUUID()}`;
  } catch {
    return 'out of reach';
  }
}

/** Of a directory; of anything else nothing. Most hosts have none, and an error thrown costs as much as all else here. */
function entriesOf(path: string): string[] {
  try {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [];
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}
