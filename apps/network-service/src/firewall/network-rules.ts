import { formatCidr, parseCidr } from '../ipam/cidr';
import { isOptionOn, type NetworkRecord, OPTION } from '../records/network-record';
import type { Chain, Part } from './table';

/** What a network adds to the table. Nothing for drivers without a bridge. */
export function networkRules(network: NetworkRecord): Part {
  if (network.driver !== 'bridge' || network.link === undefined) return { chains: new Map(), elements: [] };
  const { link } = network;
  const short = network.id.slice(0, 12);
  const [into, from, nat] = [`to_${short}`, `from_${short}`, `nat_${short}`];
  return {
    chains: new Map([
      [into, intoNetwork(network, link)],
      [from, { rules: network.internal ? ['drop'] : [] }],
      [nat, natOf(network, link)],
    ]),
    elements: [
      { lookup: 'bridges', key: link, target: '' },
      { lookup: 'into', key: link, target: `jump ${into}` },
      { lookup: 'from', key: link, target: `jump ${from}` },
      ...subnetsOf(network).map((key) => ({ lookup: 'nat', key, target: `jump ${nat}` })),
    ],
  };
}

function intoNetwork(network: NetworkRecord, link: string): Chain {
  return {
    rules: [
      ...(isOptionOn(network, OPTION.icc) ? [`iifname "${link}" accept`] : []),
      ...(network.internal ? [] : ['ct status dnat accept']),
      'drop',
    ],
  };
}

function natOf(network: NetworkRecord, link: string): Chain {
  return {
    rules: [
      // A container that comes back to its own bridge through a published port would be answered directly otherwise.
      `oifname "${link}" ct status dnat masquerade`,
      ...(!network.internal && isOptionOn(network, OPTION.masquerade)
        ? [`oifname != "${link}" masquerade`]
        : []),
    ],
  };
}

function subnetsOf(network: NetworkRecord): string[] {
  return network.ipam.config.flatMap(({ subnet }) => {
    const cidr = parseCidr(subnet);
    return cidr ? [formatCidr(cidr)] : [];
  });
}
