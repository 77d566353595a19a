import type { HereDocument } from '../dockerfile/dockerfile';
import { startSum } from './file-sum';
import type { SourceNode, SourceTree } from './source-tree';

/** Files that stand in the Dockerfile: sources of COPY and ADD by here-document, their text ready. */
export class DocumentTree implements SourceTree {
  readonly keepsOwners = false;
  private readonly files: ReadonlyMap<string, Buffer>;

  constructor(documents: readonly HereDocument[]) {
    this.files = new Map(documents.map(({ name, content }) => [name, Buffer.from(content)]));
  }

  status(path: string): SourceNode | undefined {
    const content = this.files.get(path);
    const isTop = path === '';
    if (!content && !isTop) return undefined;
    return {
      type: isTop ? 'directory' : 'file',
      mode: isTop ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      size: content?.length ?? 0,
      mtime: { seconds: 0, nanoseconds: 0 },
      linkName: '',
      major: 0,
      minor: 0,
      xattrs: new Map(),
    };
  }

  names(path: string): string[] {
    return path === '' ? [...this.files.keys()] : [];
  }

  sum(path: string): Promise<string> {
    const node = this.status(path);
    if (!node) return Promise.resolve('');
    return Promise.resolve(
      startSum(path, node)
        .update(this.files.get(path) ?? '')
        .digest('hex'),
    );
  }

  async *content(path: string): AsyncGenerator<Buffer> {
    const content = this.files.get(path);
    if (content) yield await Promise.resolve(content);
  }

  close(): void {}
}
