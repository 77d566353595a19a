/** One way in that a registry offers (RFC 9110, 11.6.1). */
export interface Challenge {
  /** Lower case. */
  scheme: string;
  /** Names in lower case. */
  parameters: Map<string, string>;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/;

/** The challenges of a WWW-Authenticate header, which may name several; what cannot be read is left out. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let rest = header.trim();
  while (rest !== '') {
    const scheme = TOKEN.exec(rest)?.[0];
    if (scheme === undefined) break;
    rest = rest.slice(scheme.length).trimStart();
    const challenge: Challenge = { scheme: scheme.toLowerCase(), parameters: new Map() };
    challenges.push(challenge);
    for (;;) {
      const parameter = readParameter(rest);
      if (!parameter) break;
      challenge.parameters.set(parameter.name, parameter.value);
      rest = parameter.rest.trimStart();
      if (rest.startsWith(',')) rest = rest.slice(1).trimStart();
    }
    rest = rest.replace(/^[,\s]+/, '');
  }
  return challenges;
}

function readParameter(text: string): { name: string; value: string; rest: string } | undefined {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/.exec(text);
  if (!match) return undefined;
  const [all, name = '', quoted, plain = ''] = match;
  const value = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
  return { name: name.toLowerCase(), value, rest: text.slice(all.length) };
}
