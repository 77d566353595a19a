import type { AddInstruction, CopyInstruction, EscapeToken, Instruction } from './dockerfile';
import { documentText } from './here-documents';
import { expandWord, expandWords, type Expansion } from './variables';

/**
 * A copy with variables put in and quotes taken away, where the Dockerfile reference says so; the commands of RUN, CMD,
 * ENTRYPOINT and HEALTHCHECK are the shell's to expand. @throws SyntaxFailure as dockerd words it
 */
export function expandInstruction<T extends Instruction>(
  instruction: T,
  variables: ReadonlyMap<string, string>,
  escape: EscapeToken,
): T;
export function expandInstruction(
  instruction: Instruction,
  variables: ReadonlyMap<string, string>,
  escape: EscapeToken,
): Instruction {
  const expansion: Expansion = { variables, escape };
  const expand = (word: string) => expandWord(word, expansion);
  switch (instruction.kind) {
    case 'env':
    case 'label':
      return {
        ...instruction,
        pairs: instruction.pairs.map(([name, value]) => [expand(name), expand(value)]),
      };
    case 'arg':
      return {
        ...instruction,
        arguments: instruction.arguments.map(({ name, value }) => ({
          name: expand(name),
          value: value === undefined ? undefined : expand(value),
        })),
      };
    case 'workdir':
    case 'user':
    case 'stopsignal':
      return { ...instruction, value: expand(instruction.value) };
    case 'volume':
      return { ...instruction, values: instruction.values.map(expand) };
    case 'expose':
      return { ...instruction, values: instruction.values.flatMap((word) => expandWords(word, expansion)) };
    case 'copy':
      return { ...transferred(instruction, expansion), from: instruction.from };
    case 'add':
      return { ...transferred(instruction, expansion), checksum: expand(instruction.checksum) };
    default:
      return instruction;
  }
}

function transferred<T extends CopyInstruction | AddInstruction>(instruction: T, expansion: Expansion): T {
  const expand = (word: string) => expandWord(word, expansion);
  const raw: Expansion = { ...expansion, plainQuotes: true, keepEscapes: false };
  return {
    ...instruction,
    sources: instruction.sources.map(expand),
    documents: instruction.documents.map((document) => {
      const content = documentText(document);
      return { ...document, content: document.expand ? expandWord(content, raw) : content };
    }),
    destination: expand(instruction.destination),
    chown: expand(instruction.chown),
    chmod: expand(instruction.chmod),
    exclude: instruction.exclude.map(expand),
  };
}
