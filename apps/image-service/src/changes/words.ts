/** Splitting and expanding the way the Dockerfile reference describes it for ENV, LABEL and their like. */

/** Words at blanks, quotes and backslashes kept for {@link unquote}. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  let inWord = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? '';
    if (char === '\\' && quote !== "'") {
      word += char + (text[++i] ?? '');
      inWord = true;
    } else if (quote) {
      word += char;
      if (char === quote) quote = '';
    } else if (/\s/.test(char)) {
      if (inWord) words.push(word);
      word = '';
      inWord = false;
    } else {
      if (char === '"' || char === "'") quote = char;
      word += char;
      inWord = true;
    }
  }
  if (inWord) words.push(word);
  return words;
}

/** Takes quotes and backslashes away and puts variables in: `$X`, `${X}`, `${X:-default}`, `${X:+alternative}`. */
export function unquote(word: string, environment: ReadonlyMap<string, string>): string {
  let result = '';
  let quote = '';
  for (let i = 0; i < word.length; i++) {
    const char = word[i] ?? '';
    if (char === '\\' && quote !== "'") {
      const next = word[++i] ?? '';
      result += quote === '"' && !['"', '$', '\\'].includes(next) ? char + next : next;
    } else if (quote && char === quote) quote = '';
    else if (!quote && (char === '"' || char === "'")) quote = char;
    else if (char === '$' && quote !== "'") {
      const variable = /^\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::([-+])([^}]*))?\})/.exec(word.slice(i));
      if (!variable) {
        result += char;
        continue;
      }
      const [all, plain, braced, operator, argument = ''] = variable;
      result += expand(environment.get(plain ?? braced ?? ''), operator, argument, environment);
      i += all.length - 1;
    } else result += char;
  }
  return result;
}

function expand(
  value: string | undefined,
  operator: string | undefined,
  argument: string,
  environment: ReadonlyMap<string, string>,
): string {
  const isSet = value !== undefined && value !== '';
  if (operator === '-') return isSet ? value : unquote(argument, environment);
  if (operator === '+') return isSet ? unquote(argument, environment) : '';
  return value ?? '';
}
