import { familiar, familiarRepository, type NamedReference } from '../references/reference';

/** The filter `reference`: Go's path.Match on the familiar name and the whole one, with and without their tag or digest. */
export function matchesReference(pattern: string, name: NamedReference): boolean {
  const expression = globExpression(pattern);
  const short = familiarRepository(name.repository);
  const suffix = familiar(name).slice(short.length);
  return [short, name.repository].some((text) => expression.test(text) || expression.test(text + suffix));
}

/** `*` and `?` stop at a slash; `[a-z]` and `[^a-z]` are classes. */
function globExpression(pattern: string): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] ?? '';
    if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const end = pattern.indexOf(']', i + 2);
      if (end < 0) return /$^/;
      const inner = pattern.slice(i + 1, end).replace(/[\\[\]]/g, '\\$&');
      source += `[${inner}]`;
      i = end;
    } else if (char === '\\') source += escape(pattern[++i] ?? '\\');
    else source += escape(char);
  }
  try {
    return new RegExp(`^${source}$`);
  } catch {
    return /$^/;
  }
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
