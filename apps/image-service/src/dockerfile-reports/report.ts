import type { Origin } from '../dockerfile/dockerfile';
import { type Finding, RULES, urlOf } from './check-rules';

/** What a client of BuildKit gets for its question: names to texts (BuildKit, frontend/subrequests). */
export type Report = Record<string, string>;

/** The Dockerfile that a report is about. */
export interface Source {
  name: string;
  text: string;
}

const VERSION = '1.0.0';

export function reportOf(document: object, text: string, more: Report = {}): Report {
  return { 'result.json': JSON.stringify(document, null, 2), 'result.txt': text, version: VERSION, ...more };
}

/** `{ranges: [...]}`, a range a line. */
export function locationOf({ line, endLine }: Pick<Origin, 'line' | 'endLine'>): object {
  const lines = Array.from({ length: endLine - line + 1 }, (_, index) => line + index);
  return { ranges: lines.map((one) => ({ start: { line: one }, end: { line: one } })) };
}

/** The comment above an instruction, where it is about `name`: `# name what it is`. */
export function descriptionOf({ text }: Source, { line }: Pick<Origin, 'line'>, name: string): string {
  const lines = text.split('\n');
  for (let at = line - 2; at >= 0; at--) {
    const comment = /^\s*#\s*(.*?)\s*$/.exec(lines[at] ?? '')?.[1];
    if (comment === undefined) return '';
    if (name !== '' && comment.startsWith(`${name} `)) return comment.slice(name.length + 1);
  }
  return '';
}

/** `frontend.lint`. `failure`: why the Dockerfile cannot be built at all, with its line. */
export function lintReport(findings: Finding[], source: Source, failure?: string): Report {
  const warnings = findings.map((found) => ({
    ruleName: found.rule,
    description: RULES[found.rule],
    url: urlOf(found.rule),
    detail: found.detail,
    location: locationOf(found),
  }));
  const sources = [
    { filename: source.name, language: 'Dockerfile', data: Buffer.from(source.text).toString('base64') },
  ];
  const lines = findings.map(
    ({ rule, detail, line }) => `\nWARNING: ${rule} - ${urlOf(rule)}\n${detail}\n${source.name}:${line}\n`,
  );
  const buildError = failure === undefined ? undefined : { message: failure, location: placeOf(failure) };
  return reportOf({ warnings, sources, buildError }, lines.join(''), {
    'result.statuscode': findings.length > 0 || buildError ? '1' : '0',
  });
}

function placeOf(failure: string): object {
  const line = Number(/on line (\d+)/.exec(failure)?.[1] ?? 0);
  return line > 0 ? locationOf({ line, endLine: line }) : { ranges: [] };
}

/** Columns as wide as their widest cell, `gap` blanks between them; the last one is as wide as it is. */
export function table(rows: string[][], gap: number): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const padded = (row: string[]) =>
    row.map((cell, column) => (column < row.length - 1 ? cell.padEnd((widths[column] ?? 0) + gap) : cell));
  return rows.map((row) => `${padded(row).join('')}\n`).join('');
}
