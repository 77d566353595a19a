import { invalidArgument } from '@gantry/shared/errors';

/** Where a git context or an ADD of a repository comes from. */
export interface GitSource {
  /** For `git fetch`. */
  url: string;
  /** A branch, tag or commit; empty: what HEAD is there. */
  ref: string;
  /** Below the checkout, without slashes around it; empty: all of it. */
  directory: string;
}

const SCHEME = /^(?:git|ssh|https?):\/\//;
/** `user@host:path`, as scp(1) has it. */
const SCP = /^[\w.-]+@[\w.-]+:(?!\/\/)/;

/** `https://host/x.git#ref:directory` and what Docker takes besides; undefined: it is no repository. @throws InvalidArgument */
export function parseGitSource(text: string): GitSource | undefined {
  const [address = '', ...fragments] = text.split('#');
  const isRepository =
    /^(?:git|ssh):\/\//.test(address) ||
    SCP.test(address) ||
    (/^https?:\/\//.test(address) && address.endsWith('.git')) ||
    /^github\.com\//.test(address);
  if (!isRepository) return undefined;
  const [ref = '', directory = ''] = splitFragment(fragments.join('#'));
  // Anything else could be an option of git.
  if (ref.startsWith('-')) throw invalidArgument(`invalid refspec: ${ref}`);
  const url = SCHEME.test(address) || SCP.test(address) ? address : `https://${address}`;
  return { url, ref, directory: directory.replace(/^\/+|\/+$/g, '') };
}

function splitFragment(fragment: string): [string, string] {
  const colon = fragment.indexOf(':');
  return colon < 0 ? [fragment, ''] : [fragment.slice(0, colon), fragment.slice(colon + 1)];
}
