import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';

const SUFFIX = '.at';

/**
 * Which gateway of this host has which session: a client that is behind a proxy may open its session at one gateway and ask for
 * its build at another. A file a session in `<run>/sessions`, with the path of the gateway's socket.
 */
@Injectable()
export class SessionPlaces {
  readonly directory: string;

  constructor(@Inject(INSTANCE_CONFIG) config: InstanceConfig) {
    this.directory = join(config.runDir, 'sessions');
  }

  announce(id: string, socket: string): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    writeFileSync(this.file(id), socket);
  }

  withdraw(id: string): void {
    rmSync(this.file(id), { force: true });
  }

  /** Those of gateways that did not live to withdraw them. */
  sweep(): void {
    for (const name of readdirSync(this.directory).filter((entry) => entry.endsWith(SUFFIX))) {
      const file = join(this.directory, name);
      if (!existsSync(readFileSync(file, 'utf8'))) rmSync(file, { force: true });
    }
  }

  /** undefined: no gateway has it, as far as is known. */
  socketOf(id: string): string | undefined {
    try {
      return readFileSync(this.file(id), 'utf8');
    } catch {
      return undefined;
    }
  }

  /** Its name is the client's choice: no path. */
  private readonly file = (id: string): string =>
    join(this.directory, `${createHash('sha256').update(id).digest('hex')}${SUFFIX}`);
}
