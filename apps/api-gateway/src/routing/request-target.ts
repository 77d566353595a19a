const ORIGIN = /^https?:\/\/[^/?]*/i;
const UNCLEAN = /\/\/|\/\.\.?(\/|$)/;

/** Path and query of a request's target: who speaks through a proxy's library sends the whole URL (RFC 9112, 3.2.2). */
export function originForm(target: string): string {
  const origin = ORIGIN.exec(target)?.[0];
  if (origin === undefined) return target;
  const rest = target.slice(origin.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Where a path with empty, `.` or `..` segments leads, for a redirect; undefined for the usual one. */
export function cleaned(url: string): string | undefined {
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  if (!UNCLEAN.test(path)) return undefined;
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  const end = segments.length > 0 && path.endsWith('/') ? '/' : '';
  return `/${segments.join('/')}${end}${query < 0 ? '' : url.slice(query)}`;
}
