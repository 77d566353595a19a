/** `A=b` entries as a map; one without `=` is empty. */
export function environmentOf(entries: readonly string[] | undefined | null): Map<string, string> {
  return new Map(
    (entries ?? []).map((entry) => {
      const equals = entry.indexOf('=');
      return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}
