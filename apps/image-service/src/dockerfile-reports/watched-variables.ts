/** Remembers which variables were asked for. */
export class WatchedVariables extends Map<string, string> {
  readonly found = new Set<string>();
  readonly missing = new Set<string>();

  constructor(variables: ReadonlyMap<string, string>) {
    super();
    for (const [name, value] of variables) this.set(name, value);
  }

  override get(name: string): string | undefined {
    const value = super.get(name);
    (value === undefined ? this.missing : this.found).add(name);
    return value;
  }
}
