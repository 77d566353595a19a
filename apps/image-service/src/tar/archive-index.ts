import { closeSync, openSync, readSync } from 'node:fs';
import { posix } from 'node:path';
import { invalidArgument } from '@gantry/shared/errors';
import { BLOCK, type TarEntry, TarReader } from '@gantry/shared/tar';

/** Where the content of a member stands in the archive. Bytes. */
export interface ArchiveMember {
  offset: number;
  size: number;
}

const CHUNK = 64 * 1024;
const MAX_MEMBERS = 100_000;
const MAX_DOCUMENT = 16 * 1024 * 1024;
const MAX_LINKS = 16;

/**
 * The table of contents of a tar file on disk: content is skipped, not read. Names are cleaned; symlinks and hard links
 * between members count as the member they mean (`docker save` of old days links equal layers).
 */
export class ArchiveIndex {
  private readonly members = new Map<string, ArchiveMember>();
  private readonly links = new Map<string, string>();

  /** @throws InvalidArgument `archive/tar: ...` */
  constructor(private readonly path: string) {
    const fd = openSync(path, 'r');
    try {
      this.scan(fd);
    } finally {
      closeSync(fd);
    }
  }

  find(name: string): ArchiveMember | undefined {
    let clean = cleaned(name);
    for (let hops = 0; hops < MAX_LINKS; hops++) {
      const member = this.members.get(clean);
      if (member) return member;
      const target = this.links.get(clean);
      if (target === undefined) return undefined;
      clean = target;
    }
    return undefined;
  }

  /** The whole content of a small member. @throws InvalidArgument when there is none or it is too large. */
  read(name: string): Buffer {
    const member = this.find(name);
    if (!member) throw invalidArgument(`invalid archive: no ${name} in it`);
    if (member.size > MAX_DOCUMENT) throw invalidArgument(`invalid archive: ${name} is too large`);
    const content = Buffer.alloc(member.size);
    const fd = openSync(this.path, 'r');
    try {
      if (readSync(fd, content, 0, content.length, member.offset) !== content.length) {
        throw invalidArgument('archive/tar: unexpected EOF');
      }
    } finally {
      closeSync(fd);
    }
    return content;
  }

  private scan(fd: number): void {
    let position = 0;
    let skip = 0;
    let last: TarEntry | undefined;
    const reader = new TarReader({
      entry: (entry) => {
        last = entry;
        if (this.members.size + this.links.size >= MAX_MEMBERS)
          throw invalidArgument('invalid archive: too many files');
      },
      content: () => {},
      endOfEntry: () => {},
    });
    const chunk = Buffer.alloc(CHUNK);
    const zeros = Buffer.alloc(BLOCK);
    while (!reader.ended) {
      const length = readSync(fd, chunk, 0, BLOCK, position);
      if (length === 0) break;
      reader.write(chunk.subarray(0, length));
      position += length;
      if (!last) continue;
      const entry: TarEntry = last;
      last = undefined;
      this.add(entry, position);
      skip = Math.floor(entry.size / BLOCK) * BLOCK;
      // The reader wants to see all the bytes of the content; which ones does not matter.
      for (let fed = 0; fed < skip; fed += CHUNK)
        reader.write(chunk.subarray(0, Math.min(CHUNK, skip - fed)));
      position += skip;
      if (entry.size % BLOCK !== 0) {
        reader.write(zeros);
        position += BLOCK;
      }
      if (skip > 0 && readSync(fd, chunk, 0, 1, position - 1) !== 1) {
        throw invalidArgument('archive/tar: unexpected EOF');
      }
    }
    reader.end();
  }

  private add(entry: TarEntry, offset: number): void {
    const name = cleaned(entry.name);
    this.members.delete(name);
    this.links.delete(name);
    if (entry.type === 'file') this.members.set(name, { offset, size: entry.size });
    else if (entry.type === 'link') this.links.set(name, cleaned(entry.linkName));
    else if (entry.type === 'symlink') {
      this.links.set(name, cleaned(posix.join(posix.dirname(name), entry.linkName)));
    }
  }
}

const cleaned = (name: string): string => posix.join('/', name).replace(/^\/+|\/+$/g, '');
