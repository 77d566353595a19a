import type { HereDocument } from './dockerfile';
import { SyntaxFailure } from './parse-failure';
import { expandWords } from './variables';

/** Descriptor, `-`, name: a redirection of the shell, as one word. */
const MARK = /^(\d*)<<(-?)\s*([^<]*)$/;
const NOTHING = { variables: new Map<string, string>(), escape: '\\', keepUnset: true } as const;

/** What a word says of a here-document, whose content is still to come. */
export function hereDocumentOf(word: string): HereDocument | undefined {
  const [, , dash, written = ''] = MARK.exec(word) ?? [];
  if (written === '') return undefined;
  const names = expandWords(written, { ...NOTHING, keepEscapes: true });
  const name = names[0];
  if (name === undefined || names.length !== 1) return undefined;
  const raw = expandWords(written, { ...NOTHING, keepEscapes: true, keepQuotes: true })[0] ?? '';
  return { name, content: '', expand: quotes(raw) === quotes(name), chomp: dash === '-' };
}

const quotes = (text: string): number => text.match(/['"]/g)?.length ?? 0;

/** The here-documents that a line announces. A line that a shell could not split announces none. */
export function announcedDocuments(line: string): HereDocument[] {
  if (!line.includes('<<')) return [];
  let words: string[];
  try {
    words = expandWords(line, { ...NOTHING, keepQuotes: true, keepEscapes: true });
  } catch {
    return [];
  }
  return words.flatMap((word) => hereDocumentOf(word) ?? []);
}

/**
 * Takes the contents of `documents` from the lines that follow `at`. Returns the index after them.
 * @throws SyntaxFailure where one does not end
 */
export function readDocuments(documents: HereDocument[], lines: readonly string[], at: number): number {
  for (const document of documents) {
    for (let line; (line = lines[at++]) !== document.name;) {
      if (line === undefined) throw new SyntaxFailure('unterminated heredoc');
      const plain = line.replace(/\r$/, '');
      if ((document.chomp ? plain.replace(/^\t+/, '') : plain) === document.name) break;
      document.content += `${line}\n`;
    }
  }
  return at;
}

/** The content as the files of COPY and ADD get it, variables not put in. */
export function documentText({ content, chomp }: HereDocument): string {
  return chomp ? content.replace(/^\t+/gm, '') : content;
}
