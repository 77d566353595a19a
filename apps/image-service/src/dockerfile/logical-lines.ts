import type { EscapeToken, HereDocument } from './dockerfile';
import { announcedDocuments, readDocuments } from './here-documents';
import type { SyntaxFailure } from './parse-failure';

/** An instruction with its continuations as one line. */
export interface LogicalLine {
  /** From 1. */
  line: number;
  endLine: number;
  text: string;
  documents: HereDocument[];
  /** An empty line within it, which Docker wants gone. */
  emptyContinuation: boolean;
}

/** Instructions that take here-documents, also after ONBUILD. */
const TAKES_DOCUMENTS = /^(?:onbuild\s+)?(?:run|copy|add)\s/i;
const COMMENT = /^\s*#/;

/** The lines of a text as Docker sees them: without their newlines, and without a byte-order mark. */
export function physicalLines(text: string): string[] {
  const lines = text.replace(/^\ufeff/, '').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/**
 * Joins continued lines, drops comments and empty lines, and takes here-documents. `skip`: lines that are directives.
 * @throws what `fail` makes of a here-document without an end
 */
export function logicalLines(
  lines: readonly string[],
  { escape, skip }: { escape: EscapeToken; skip: number },
  fail: (line: number, cause: SyntaxFailure) => Error,
): LogicalLine[] {
  const continued = new RegExp(`(^|[^\\${escape}])\\${escape}[ \\t]*$`);
  const found: LogicalLine[] = [];
  for (let at = skip; at < lines.length;) {
    const line = at + 1;
    let text = '';
    let emptyContinuation = false;
    for (let first = true, more = true; more && at < lines.length; first = false) {
      const raw = (lines[at++] ?? '').replace(/\r$/, '');
      if (COMMENT.test(raw)) more = !first;
      else if (!first && raw.trim() === '') emptyContinuation = true;
      else {
        more = continued.test(raw);
        text += (first ? raw.trimStart() : raw).replace(continued, '$1');
      }
    }
    if (text.trim() === '') continue;
    const documents = TAKES_DOCUMENTS.test(text) ? announcedDocuments(text) : [];
    try {
      at = readDocuments(documents, lines, at);
    } catch (error) {
      throw fail(line, error as SyntaxFailure);
    }
    found.push({ line, endLine: at, text: text.trim(), documents, emptyContinuation });
  }
  return found;
}
