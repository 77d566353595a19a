/** How many letters apart a name may be that is proposed. */
const FARTHEST = 2;

/** ` (did you mean $NAME?)`, where one of the names is nearly the one that is not there. `sign`: before it. */
export function didYouMean(name: string, others: Iterable<string>, sign: '$' | ''): string {
  let nearest = '';
  let least = FARTHEST + 1;
  for (const other of others) {
    const distance = distanceOf(name, other);
    if (distance >= least) continue;
    nearest = other;
    least = distance;
  }
  return nearest === '' ? '' : ` (did you mean ${sign}${nearest}?)`;
}

/** Levenshtein's: letters put in, left out or changed. */
function distanceOf(a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const changed = (before[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(changed, (before[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    before = current;
  }
  return before[b.length] ?? 0;
}
