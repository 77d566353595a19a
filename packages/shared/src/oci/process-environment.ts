/** The PATH of a container that says nothing else. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface EnvironmentFacts {
  hostname: string;
  tty: boolean;
  home: string;
  /** Of legacy links. */
  links: string[];
}

/**
 * The environment of a container's process: Docker's own variables, then the container's over them. An entry without `=`
 * takes a variable away.
 */
export function processEnvironment(configured: readonly string[] | null, facts: EnvironmentFacts): string[] {
  const own = [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${facts.hostname}`];
  if (facts.tty) own.push('TERM=xterm');
  const variables = new Map<string, string | undefined>();
  for (const entry of [...own, ...facts.links, ...(configured ?? [])]) {
    const at = entry.indexOf('=');
    if (at < 0) variables.delete(entry);
    else variables.set(entry.slice(0, at), entry.slice(at + 1));
  }
  if (!variables.get('HOME')) variables.set('HOME', facts.home);
  return [...variables].map(([name, value]) => `${name}=${value}`);
}
