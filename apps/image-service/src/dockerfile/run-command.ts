import type { RuntimeConfig } from '../images/image-config';
import { wordsOf } from './apply-instruction';
import type { RunInstruction } from './dockerfile';
import { documentText, hereDocumentOf } from './here-documents';

/** What RUN runs. */
export interface RunCommand {
  argv: string[];
  /** A program out of a here-document that names its interpreter: to be found at `path`, executable, while it runs. */
  script?: { path: string; content: string };
}

/** Where BuildKit puts such programs: they are no part of the image. */
const SCRIPTS = '/dev/pipes';

/** Here-documents are the command itself where there is nothing else, and the shell's to read otherwise. */
export function runCommandOf({ command }: RunInstruction, config: RuntimeConfig): RunCommand {
  const [first] = command.documents;
  const line = command.words[0] ?? '';
  if (!first) return { argv: command.words.length > 0 ? wordsOf(command, config) : programOf(config) };
  if (hereDocumentOf(line)) {
    const content = documentText(first);
    const path = `${SCRIPTS}/${first.name.replaceAll('/', '_')}`;
    if (content.startsWith('#!')) return { argv: [path], script: { path, content } };
    return { argv: wordsOf({ ...command, words: [content] }, config) };
  }
  const text = command.documents.reduce((lines, { content, name }) => `${lines}\n${content}${name}`, line);
  return { argv: wordsOf({ ...command, words: [text] }, config) };
}

/** `RUN []`: what a container of the image runs. */
const programOf = ({ Entrypoint, Cmd }: RuntimeConfig): string[] => [...(Entrypoint ?? []), ...(Cmd ?? [])];
