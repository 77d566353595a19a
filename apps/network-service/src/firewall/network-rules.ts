import { type Family, formatCidr, parseCidr } from '../ipam/cidr';
import { trustedInterfaces } from '../networks/driver-options';
import type { NetworkRecord } from '../records/network-record';
import { gatewayMode, isOptionOn, OPTION } from '../records/network-options';
import type { Part } from './table';

const FAMILY = {
  4: { name: 'ipv4', ip: 'ip', icmp: 'icmp', lookup: 'nat', open: 'open' },
  6: { name: 'ipv6', ip: 'ip6', icmp: 'ipv6-icmp', lookup: 'nat6', open: 'open6' },
} as const;

/** What a network adds to the table. Nothing for drivers without a bridge. */
export function networkRules(network: NetworkRecord): Part {
  if (network.driver !== 'bridge' || network.link === undefined) return { chains: new Map(), elements: [] };
  const { link } = network;
  const short = network.id.slice(0, 12);
  const [into, from, nat] = [`to_${short}`, `from_${short}`, `nat_${short}`];
  return {
    chains: new Map([
      [into, { rules: [...admitted(network, link), 'drop'] }],
      [from, { rules: network.internal ? ['drop'] : [] }],
      [nat, { rules: hidden(network, link) }],
    ]),
    elements: [
      { lookup: 'bridges', key: link, target: '' },
      { lookup: 'into', key: link, target: `jump ${into}` },
      { lookup: 'from', key: link, target: `jump ${from}` },
      ...network.ipam.config.flatMap(({ subnet }) => {
        const cidr = parseCidr(subnet);
        if (!cidr) return [];
        return [{ lookup: FAMILY[cidr.family].lookup, key: formatCidr(cidr), target: `jump ${nat}` }];
      }),
    ],
  };
}

/** What may come in. */
function admitted(network: NetworkRecord, link: string): string[] {
  const neighbours = isOptionOn(network, OPTION.icc) ? [`iifname "${link}" accept`] : [];
  if (network.internal) return neighbours;
  const trusted = trustedInterfaces(network.options).map((name) => `iifname "${name}" accept`);
  const byMode = familiesOf(network).flatMap((family) => {
    const { name, ip, icmp, open } = FAMILY[family];
    const mode = gatewayMode(network, family);
    if (mode === 'nat-unprotected') return [`meta nfproto ${name} accept`];
    if (mode !== 'routed') return [];
    return [`meta l4proto ${icmp} accept`, `${ip} daddr . meta l4proto . th dport @${open} accept`];
  });
  return [...neighbours, ...trusted, 'ct status dnat accept', ...byMode];
}

/** How the addresses of containers are hidden. */
function hidden(network: NetworkRecord, link: string): string[] {
  // A container that comes back to its own bridge through a published port would be answered directly otherwise.
  const hairpin = `oifname "${link}" ct status dnat masquerade`;
  if (network.internal || !isOptionOn(network, OPTION.masquerade)) return [hairpin];
  const families = familiesOf(network);
  const rules = families.flatMap((family) => {
    const { name, ip } = FAMILY[family];
    if (!gatewayMode(network, family).startsWith('nat')) return [];
    const source = network.options[family === 4 ? OPTION.hostAddress4 : OPTION.hostAddress6];
    return [`meta nfproto ${name} ${source ? `snat ${ip} to ${source}` : 'masquerade'}`];
  });
  const isSame = rules.length === families.length && rules.every((rule) => rule.endsWith(' masquerade'));
  return [hairpin, ...(isSame ? ['masquerade'] : rules).map((rule) => `oifname != "${link}" ${rule}`)];
}

const familiesOf = ({ ipv4, ipv6 }: NetworkRecord): Family[] => [
  ...(ipv4 ? [4 as const] : []),
  ...(ipv6 ? [6 as const] : []),
];
