import { SyntaxFailure } from './parse-failure';

/** `# check=skip=A,B;error=true`: which checks a Dockerfile wants. */
export interface CheckOptions {
  /** Names of rules. */
  skip: string[];
  skipAll: boolean;
  /** Findings end the build. */
  isError: boolean;
}

/** `experimental=` is read: there are no such rules here. @throws SyntaxFailure as BuildKit words it */
export function parseCheckOptions(text: string): CheckOptions {
  const options: CheckOptions = { skip: [], skipAll: false, isError: false };
  if (text.trim() === '') return options;
  for (const part of text.trim().split(';')) {
    const at = part.indexOf('=');
    if (at < 0) throw new SyntaxFailure(`invalid check option ${JSON.stringify(part)}`);
    const name = part.slice(0, at).trim();
    const value = part.slice(at + 1).trim();
    if (name === 'skip' && value === 'all') options.skipAll = true;
    else if (name === 'skip') options.skip = value.split(',').map((rule) => rule.trim());
    else if (name === 'error') options.isError = switchOf(part, value);
    else if (name !== 'experimental') throw new SyntaxFailure(`invalid check option ${JSON.stringify(name)}`);
  }
  return options;
}

function switchOf(part: string, value: string): boolean {
  if (/^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw new SyntaxFailure(`failed to parse check option ${JSON.stringify(part)}: invalid syntax`);
}
