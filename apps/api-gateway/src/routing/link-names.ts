/** What follows a container in a path: no container is linked by one of these names and then asked for so. */
const ACTIONS = new Set(
  (
    'json top logs changes export stats resize start stop restart kill update rename pause unpause attach wait archive ' +
    'exec checkpoints'
  ).split(' '),
);
const TWO_SEGMENTS = /^\/containers\/([^/?]+)\/([^/?]+)(?=[/?]|$)/;

/**
 * A legacy link names its target `<container>/<alias>`, in paths too: `/containers/web/db/json` becomes
 * `/containers/web%2Fdb/json`.
 */
export function linkAsOneSegment(url: string): string {
  const found = TWO_SEGMENTS.exec(url);
  const [whole, container = '', alias = ''] = found ?? [''];
  if (!found || ACTIONS.has(alias)) return url;
  return `/containers/${container}%2F${alias}${url.slice(whole.length)}`;
}
