import type { SourceTree } from '../context/source-tree';

/** One thing that COPY or ADD puts at its destination. */
export interface Selected {
  tree: SourceTree;
  /** In the tree, symlinks followed. */
  path: string;
  /** What it is called at a destination that is a directory; with --parents a path. */
  name: string;
  isDirectory: boolean;
  /** Paths that stay away, relative to the tree. */
  isExcluded(path: string): boolean;
  /** ADD: a tar archive's content is what is added. */
  unpack: boolean;
  /** It came from a URL: dockerd's digest has no `file:` then. */
  isDownload?: boolean;
}

/** All that an instruction reads. */
export interface Selection {
  items: Selected[];
  /** `file:<hex>`, `dir:<hex>` or `multi:<hex>`, as dockerd writes it into the history. */
  digest: string;
  /** For the cache: also what {@link digest} leaves out, where symlinks lead and which names there are. */
  key: string;
  /** Closes what was opened for it; downloads lie in the caller's directory. */
  close(): void;
}
