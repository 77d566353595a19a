import type { Instruction } from '../dockerfile/dockerfile';
import { documentText, hereDocumentOf } from '../dockerfile/here-documents';
import { type Expansion, expandWord } from '../dockerfile/variables';
import { canonicalName } from '../references/reference';
import { type PlannedStage, SCRATCH } from './build-plan';

/** What BuildKit calls the steps of a stage: `[build 2/4] COPY a b`. Only what makes files is one (dockerfile2llb). */
export class VertexNames {
  private readonly reference: string;
  private readonly label: string;
  private total: number;
  private number = 0;
  private triggers = 0;

  constructor({ base, baseStage, label, stage }: PlannedStage) {
    this.reference = canonicalName(base);
    this.label = label === '' ? '' : `${label} `;
    const hasBase = base !== SCRATCH && baseStage === undefined;
    this.total = Number(hasBase) + stage.instructions.filter(isVertex).length;
    if (hasBase) this.number = 1;
  }

  get metadata(): string {
    return `[internal] load metadata for ${this.reference}`;
  }

  get base(): string {
    return this.numbered(1, `FROM ${this.reference}`);
  }

  /** These come first. */
  expectTriggers(instructions: Instruction[]): void {
    this.triggers = instructions.length;
    this.total += instructions.filter(isVertex).length;
  }

  /** Of the next instruction; undefined: it is no vertex. */
  next(instruction: Instruction, expansion: Expansion): string | undefined {
    const isTrigger = this.triggers > 0;
    if (isTrigger) this.triggers -= 1;
    if (!isVertex(instruction)) return undefined;
    this.number += 1;
    return this.numbered(this.number, `${isTrigger ? 'ONBUILD ' : ''}${textOf(instruction, expansion)}`);
  }

  private numbered(number: number, text: string): string {
    const padded = String(number).padStart(String(this.total).length);
    return `[${this.label}${padded}/${this.total}] ${text}`;
  }
}

const isVertex = ({ kind }: Instruction): boolean => ['run', 'copy', 'add', 'workdir'].includes(kind);

function textOf(instruction: Instruction, expansion: Expansion): string {
  const [name = '', ...words] = instruction.origin.text.split(' ');
  const text = [name.toUpperCase(), ...words].join(' ') + summaryOf(instruction);
  try {
    const isRun = instruction.kind === 'run';
    return expandWord(text, { ...expansion, keepQuotes: isRun, keepUnset: isRun });
  } catch {
    return text;
  }
}

/** The first line of a command that is a here-document. */
function summaryOf(instruction: Instruction): string {
  if (instruction.kind !== 'run') return '';
  const { documents, words } = instruction.command;
  const [document] = documents;
  if (!document || !hereDocumentOf(words[0] ?? '')) return '';
  const [first = '', ...others] = documentText(document).trim().split(/\r?\n/);
  return ` (${first}${others.length > 0 ? '...' : ''})`;
}
