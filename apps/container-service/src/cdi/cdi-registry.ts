import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { messageOf } from '@gantry/shared/errors';
import { hasCode } from '@gantry/shared/linux';
import { cdiDocument, type CdiDocument, type CdiEdits } from './cdi-document';

/** Of rising priority: what is in the second hides a device of the same name in the first. */
export const CDI_DIRECTORIES = ['/etc/cdi', '/var/run/cdi'];

export interface CdiDevice {
  /** `vendor.com/class=name`. */
  name: string;
  edits: CdiEdits;
  /** What every device of its file needs. */
  document: CdiDocument;
}

interface Found {
  devices: Map<string, CdiDevice>;
  /** Of files that are none, and devices that two files of one directory have. */
  warnings: string[];
}

/** The devices that vendors describe on this host. Read anew each time: a driver may come with its files at any time. */
@Injectable()
export class CdiRegistry {
  readonly directories: readonly string[];

  constructor() {
    this.directories = process.env['GANTRY_CDI_DIRS']?.split(',').filter(Boolean) ?? CDI_DIRECTORIES;
  }

  read(): Found {
    const found: Found = { devices: new Map(), warnings: [] };
    for (const directory of this.directories) {
      const { devices, ambiguous, warnings } = readDirectory(directory);
      found.warnings.push(...warnings);
      for (const name of ambiguous) found.devices.delete(name);
      for (const device of devices) found.devices.set(device.name, device);
    }
    return found;
  }
}

function readDirectory(directory: string) {
  const owners = new Map<string, { device: CdiDevice; file: string }>();
  const ambiguous = new Set<string>();
  const warnings: string[] = [];
  for (const file of specFiles(directory)) {
    try {
      for (const device of devicesOf(parse(file))) {
        const other = owners.get(device.name);
        if (other) {
          ambiguous.add(device.name);
          warnings.push(`CDI: conflicting device ${device.name} (specs ${other.file}, ${file})`);
        } else owners.set(device.name, { device, file });
      }
    } catch (error) {
      warnings.push(`CDI: Error associated with spec file ${file}: ${messageOf(error)}`);
    }
  }
  const devices = [...owners.values()].flatMap(({ device }) => (ambiguous.has(device.name) ? [] : [device]));
  return { devices, ambiguous, warnings };
}

function specFiles(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => ['.json', '.yaml', '.yml'].includes(extname(name)));
    return names.sort().map((name) => join(directory, name));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

function parse(file: string): CdiDocument {
  const text = readFileSync(file, 'utf8');
  const content: unknown = extname(file) === '.json' ? JSON.parse(text) : loadYaml(text);
  const result = cdiDocument.safeParse(content);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new Error(`invalid CDI Spec: ${issue?.path.join('.')}: ${issue?.message}`);
}

/** Loaded at the first file that needs it. */
function loadYaml(text: string): unknown {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return (require('js-yaml') as typeof import('js-yaml')).safeLoad(text);
}

function devicesOf(document: CdiDocument): CdiDevice[] {
  return document.devices.map(({ name, containerEdits }) => ({
    name: `${document.kind}=${name}`,
    edits: containerEdits,
    document,
  }));
}
