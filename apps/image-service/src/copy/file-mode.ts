import { invalidArgument } from '@gantry/shared/errors';

/** Makes a mode of the one that a file has. */
export type ChangeMode = (mode: number, isDirectory: boolean) => number;

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/;
const ACTION = /([-+=])([ugo]|[rwxXst]*)/g;
const WHO: Record<string, number> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };
const BITS: Record<string, number> = { r: 0o444, w: 0o222, x: 0o111, s: 0o6000, t: 0o1000 };
const SHIFT: Record<string, number> = { u: 6, g: 3, o: 0 };

/** `--chmod`: `0644`, or symbolic as chmod(1) takes it, `u=rwX,go=rX`. @throws InvalidArgument */
export function parseMode(text: string): ChangeMode {
  if (/^[0-7]+$/.test(text) && parseInt(text, 8) <= 0o7777) {
    const fixed = parseInt(text, 8);
    return () => fixed;
  }
  const clauses = text.split(',').map((clause) => {
    const [, who, actions] = CLAUSE.exec(clause) ?? [];
    if (who === undefined || actions === undefined) {
      throw invalidArgument(
        `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777, or symbolic`,
      );
    }
    return { mask: [...(who || 'a')].reduce((mask, one) => mask | (WHO[one] ?? 0), 0), actions };
  });
  return (mode, isDirectory) =>
    clauses.reduce((now, { mask, actions }) => applied(now, mask, actions, isDirectory), mode);
}

function applied(mode: number, mask: number, actions: string, isDirectory: boolean): number {
  let now = mode;
  for (const [, operator, permissions = ''] of actions.matchAll(ACTION)) {
    const bits = bitsOf(permissions, now, isDirectory) & mask;
    if (operator === '+') now |= bits;
    else if (operator === '-') now &= ~bits;
    // What `=` does not name stays for directories' setuid and setgid, as chmod(1) has it.
    else now = (now & ~(isDirectory ? mask & 0o1777 : mask)) | bits;
  }
  return now;
}

function bitsOf(permissions: string, mode: number, isDirectory: boolean): number {
  const copied = SHIFT[permissions];
  if (copied !== undefined) return ((mode >> copied) & 7) * 0o111;
  return [...permissions].reduce((bits, one) => {
    if (one === 'X') return bits | (isDirectory || mode & 0o111 ? 0o111 : 0);
    return bits | (BITS[one] ?? 0);
  }, 0);
}
