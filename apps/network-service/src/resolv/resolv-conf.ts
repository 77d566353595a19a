import type { ResolverSettings } from '../records/sandbox-record';
import { RESOLVER_ADDRESS } from '../kernel/resolver-address';

/** Where the host has no nameserver that a container could reach. Docker's choice. */
export const PUBLIC_SERVERS = ['8.8.8.8', '8.8.4.4'];
const PUBLIC_SERVERS_IPV6 = ['2001:4860:4860::8888', '2001:4860:4860::8844'];
/** Where systemd-resolved writes the servers that its stub at 127.0.0.53 asks. */
export const RESOLVED_UPSTREAM = '/run/systemd/resolve/resolv.conf';

export function parseResolvConf(text: string): ResolverSettings {
  const settings: ResolverSettings = { servers: [], search: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0]) settings.servers.push(values[0]);
    // The last of several lines counts (resolv.conf(5)).
    else if (keyword === 'search') settings.search = values;
    else if (keyword === 'domain') settings.search = values.slice(0, 1);
    else if (keyword === 'options') settings.options.push(...values);
  }
  return settings;
}

/**
 * What a container on the default bridge asks: its own settings, else the host's that it can reach.
 * @param hasIpv6 whether the container has an IPv6 address
 */
export function directResolvConf(host: ResolverSettings, own: ResolverSettings, hasIpv6: boolean): string {
  const reachable = own.servers.length > 0 ? own.servers : reachableServers(host.servers, hasIpv6);
  const fallback = hasIpv6 ? [...PUBLIC_SERVERS, ...PUBLIC_SERVERS_IPV6] : PUBLIC_SERVERS;
  return render({
    servers: reachable.length > 0 ? reachable : fallback,
    search: searchOf(host, own),
    options: own.options.length > 0 ? own.options : host.options,
  });
}

/** What a container on a network of the user's asks: the resolver inside its own namespace. */
export function embeddedResolvConf(host: ResolverSettings, own: ResolverSettings): string {
  const options = own.options.length > 0 ? own.options : host.options;
  const ndots = options.some((option) => option.startsWith('ndots:')) ? [] : ['ndots:0'];
  return render({
    servers: [RESOLVER_ADDRESS],
    search: searchOf(host, own),
    options: [...options, ...ndots],
  });
}

/** Loopback ones of the host are left out, and those on one of its links; perhaps none. */
function reachableServers(servers: readonly string[], hasIpv6: boolean): string[] {
  return servers.filter((server) =>
    server.includes(':') ? hasIpv6 && server !== '::1' && !server.includes('%') : !server.startsWith('127.'),
  );
}

/** `--dns-search .` means none. */
function searchOf(host: ResolverSettings, own: ResolverSettings): string[] {
  if (own.search.length === 0) return host.search;
  return own.search.length === 1 && own.search[0] === '.' ? [] : own.search;
}

function render(settings: ResolverSettings): string {
  return [
    ...settings.servers.map((server) => `nameserver ${server}`),
    ...(settings.search.length > 0 ? [`search ${settings.search.join(' ')}`] : []),
    ...(settings.options.length > 0 ? [`options ${settings.options.join(' ')}`] : []),
    '',
  ].join('\n');
}
