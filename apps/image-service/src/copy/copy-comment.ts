import type { AddInstruction, CopyInstruction } from '../dockerfile/dockerfile';

/** What stands in the history after `#(nop) `, blanks as dockerd's: none after --chown, one at the end. */
export function copyComment(
  { kind, chown, destination }: CopyInstruction | AddInstruction,
  digest: string,
): string {
  return `${kind.toUpperCase()} ${chown && `--chown=${chown}`}${digest} in ${destination} `;
}
