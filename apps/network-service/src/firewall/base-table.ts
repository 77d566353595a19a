import type { FirewallTable, Lookup } from './table';

/*
 * One table, `inet <instance>`. Packets find their rules through maps, so that their cost does not grow with the number
 * of networks and ports:
 *
 *   prerouting, output --(to a local address)--> published: proto . address . port -> container . port
 *   forward: outgoing bridge -> chain to_<network>, incoming bridge -> chain from_<network>
 *     there, of a routed network, -> open: address . proto . port
 *   postrouting: source address -> chain nat_<network>
 *
 * A packet that none of the maps knows is not ours and passes.
 */

const RAW = -300;
const DSTNAT = -100;
const FILTER = 0;
const SRCNAT = 100;

const PORT_KEY = 'inet_proto . inet_service';
const PROTOCOLS = 'meta l4proto { tcp, udp, sctp }';

const lookup = (type: string, target?: string, interval = false): Lookup => ({
  type,
  target,
  interval,
  elements: new Map(),
});

/** The table of an instance without networks and ports. */
export function baseTable(): FirewallTable {
  return {
    lookups: new Map([
      ['bridges', lookup('ifname')],
      ['into', lookup('ifname', 'verdict')],
      ['from', lookup('ifname', 'verdict')],
      ['published', lookup('inet_proto . ipv4_addr . inet_service', 'ipv4_addr . inet_service')],
      ['published_any', lookup(PORT_KEY, 'ipv4_addr . inet_service')],
      ['published6', lookup('inet_proto . ipv6_addr . inet_service', 'ipv6_addr . inet_service')],
      ['published6_any', lookup(PORT_KEY, 'ipv6_addr . inet_service')],
      ['open', lookup('ipv4_addr . inet_proto . inet_service')],
      ['open6', lookup('ipv6_addr . inet_proto . inet_service')],
      ['nat', lookup('ipv4_addr', 'verdict', true)],
      ['nat6', lookup('ipv6_addr', 'verdict', true)],
    ]),
    chains: new Map([
      [
        'guard',
        {
          hook: { type: 'filter', hook: 'prerouting', priority: RAW },
          // Bridges route 127/8 for the sake of published ports; a container must not reach the host's loopback by it.
          rules: ['iifname @bridges ip daddr 127.0.0.0/8 drop'],
        },
      ],
      [
        'prerouting',
        {
          hook: { type: 'nat', hook: 'prerouting', priority: DSTNAT },
          // The host's own come by `output`. A neighbour that routes 127/8 here must not reach what is published there.
          rules: ['ip daddr 127.0.0.0/8 return', `${PROTOCOLS} fib daddr type local jump to_published`],
        },
      ],
      [
        'output',
        {
          hook: { type: 'nat', hook: 'output', priority: DSTNAT },
          // The kernel routes nothing from ::1 to another interface: what is for ::1 stays, for the port relay.
          rules: ['ip6 daddr ::1 return', `${PROTOCOLS} fib daddr type local jump to_published`],
        },
      ],
      [
        'to_published',
        {
          rules: [
            'dnat ip to meta l4proto . ip daddr . th dport map @published',
            'meta nfproto ipv4 dnat ip to meta l4proto . th dport map @published_any',
            'dnat ip6 to meta l4proto . ip6 daddr . th dport map @published6',
            'meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @published6_any',
          ],
        },
      ],
      [
        'forward',
        {
          hook: { type: 'filter', hook: 'forward', priority: FILTER },
          rules: ['ct state established,related accept', 'oifname vmap @into', 'iifname vmap @from'],
        },
      ],
      [
        'postrouting',
        {
          hook: { type: 'nat', hook: 'postrouting', priority: SRCNAT },
          rules: [
            // From the host's loopback to a published port: the container has to answer to the bridge.
            'oifname @bridges ip saddr 127.0.0.0/8 masquerade',
            'ip saddr vmap @nat',
            'ip6 saddr vmap @nat6',
          ],
        },
      ],
    ]),
  };
}
