import { Injectable } from '@nestjs/common';
import type { VolumeDocument } from '@gantry/proto/volume';
import { type FileStamp, stillStands } from '@gantry/shared/validity';

/** Some hundred bytes each. */
const MOST = 1_000;

interface Kept {
  json: Buffer;
  validWhile: FileStamp;
}

/** Documents of volumes for as long as they are true, which volume-service's own file tells (ADR 0034). */
@Injectable()
export class KeptVolumes {
  /** The ones that were put in first come first. */
  private readonly kept = new Map<string, Kept>();

  /** The newest document of the volume, where it is known without asking. */
  find(name: string): Buffer | undefined {
    const kept = this.kept.get(name);
    if (!kept) return undefined;
    if (stillStands(kept.validWhile)) return kept.json;
    this.kept.delete(name);
    return undefined;
  }

  /** Gives the document back. */
  keep({ name, json, validWhile }: VolumeDocument): Buffer {
    if (!validWhile) return json;
    this.kept.delete(name);
    this.kept.set(name, { json, validWhile });
    if (this.kept.size > MOST) {
      const [oldest] = this.kept.keys();
      if (oldest !== undefined) this.kept.delete(oldest);
    }
    return json;
  }
}
