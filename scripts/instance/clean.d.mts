// Types of clean.mjs for the tests and the bench, which are TypeScript.

/** Removes everything of the instance from the host: processes, mounts, links, nft table, cgroups, directories. */
export function cleanInstance(
  names: { name: string; runDir: string; dataRoot: string },
  options?: { keepData?: boolean; say?: (line: string) => void },
): Promise<void>;
