import type { IgnorePatterns } from './ignore-patterns';
import type { SourceNode, SourceTree } from './source-tree';

/** A build context without what its `.dockerignore` names. */
export class FilteredTree implements SourceTree {
  readonly keepsOwners: boolean;
  private readonly hidden = new Map<string, boolean>();

  constructor(
    private readonly tree: SourceTree,
    private readonly patterns: IgnorePatterns,
  ) {
    this.keepsOwners = tree.keepsOwners;
  }

  status(path: string): SourceNode | undefined {
    return this.isHidden(path) ? undefined : this.tree.status(path);
  }

  names(path: string): string[] {
    return this.tree.names(path).filter((name) => !this.isHidden(path === '' ? name : `${path}/${name}`));
  }

  sum(path: string): Promise<string> {
    return this.tree.sum(path);
  }

  content(path: string, signal?: AbortSignal): AsyncIterable<Buffer> {
    return this.tree.content(path, signal);
  }

  close(): void {
    this.tree.close();
  }

  private isHidden(path: string): boolean {
    if (path === '') return false;
    const known = this.hidden.get(path);
    if (known !== undefined) return known;
    const isHidden = this.patterns.matches(path) && !this.leadsToException(path);
    this.hidden.set(path, isHidden);
    return isHidden;
  }

  /** A directory that is named stays for what an exception takes back of it. */
  private leadsToException(path: string): boolean {
    if (!this.patterns.hasExceptions || this.tree.status(path)?.type !== 'directory') return false;
    return this.tree.names(path).some((name) => !this.isHidden(`${path}/${name}`));
  }
}
