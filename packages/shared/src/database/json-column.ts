/** `\u0000`, and halves of surrogate pairs: JSON.stringify writes whole ones as they are. Not behind an escaped backslash. */
const UNSTORABLE = /(?<=(?:^|[^\\])(?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g;

/**
 * A document for a column of type jsonb. PostgreSQL refuses text with NUL or half a surrogate pair, which the labels of anything
 * may have: there it gets U+FFFD, or the index would stay behind for ever for one label.
 */
export function jsonColumn(document: object): object {
  return JSON.parse(JSON.stringify(document).replace(UNSTORABLE, '\\ufffd')) as object;
}
