import { newEntry, encodeHeader, END_OF_ARCHIVE, tarPadding } from './tar-writer';
import type { TarEntry, TarEntryType } from './tar-header';

export type Member = Partial<TarEntry> & { name: string; type: TarEntryType; data?: string | Buffer };

/** A whole archive in memory: for a few small members. */
export function tarOf(members: Member[]): Buffer {
  const parts = members.flatMap(({ data = '', ...given }) => {
    const content = Buffer.from(data as string);
    const mode = given.type === 'directory' ? 0o755 : 0o644;
    const entry = {
      ...newEntry(given.name, given.type, content.length, mode),
      ...given,
      size: content.length,
    };
    return [encodeHeader(entry), content, tarPadding(content.length)];
  });
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}
