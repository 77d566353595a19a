import { formatCidr, parseCidr } from '../ipam/cidr';
import { isOptionOn, type NetworkRecord, OPTION } from '../records/network-record';
import type { PublishedPort } from '../records/sandbox-record';

/*
 * One table, `inet <instance>`. Packets find their rules through maps, so that their cost does not grow with the number
 * of networks and ports:
 *
 *   prerouting, output --(to a local address)--> published: proto . address . port -> container . port
 *   forward: outgoing bridge -> chain to_<network>, incoming bridge -> chain from_<network>
 *   postrouting: source address -> chain nat_<network>
 *
 * A packet that none of the maps knows is not ours and passes.
 */

const PORT_KEY = 'inet_proto . inet_service';
const ADDRESS_KEY = 'inet_proto . ipv4_addr . inet_service';
const TARGET = 'ipv4_addr . inet_service';

/** The whole table, in the place of whatever is there, in one transaction: no packet sees anything between. */
export function renderTable(
  table: string,
  networks: readonly NetworkRecord[],
  ports: readonly PublishedPort[],
): string {
  const inet = `inet ${table}`;
  const bridged = networks.filter(isBridged);
  return [
    `add table ${inet}`,
    `delete table ${inet}`,
    `add table ${inet}`,
    `add set ${inet} bridges { type ifname; }`,
    `add map ${inet} into { type ifname : verdict; }`,
    `add map ${inet} from { type ifname : verdict; }`,
    `add map ${inet} published { type ${ADDRESS_KEY} : ${TARGET}; }`,
    `add map ${inet} published_any { type ${PORT_KEY} : ${TARGET}; }`,

    `add chain ${inet} guard { type filter hook prerouting priority raw; }`,
    `add chain ${inet} prerouting { type nat hook prerouting priority dstnat; }`,
    `add chain ${inet} output { type nat hook output priority -100; }`,
    `add chain ${inet} forward { type filter hook forward priority filter; }`,
    `add chain ${inet} postrouting { type nat hook postrouting priority srcnat; }`,
    `add chain ${inet} to_published`,

    // Bridges route 127/8 for the sake of published ports; a container must not reach the host's loopback by it.
    `add rule ${inet} guard iifname @bridges ip daddr 127.0.0.0/8 drop`,
    `add rule ${inet} prerouting meta l4proto { tcp, udp, sctp } fib daddr type local jump to_published`,
    `add rule ${inet} output meta l4proto { tcp, udp, sctp } fib daddr type local jump to_published`,
    `add rule ${inet} to_published dnat ip to meta l4proto . ip daddr . th dport map @published`,
    `add rule ${inet} to_published dnat ip to meta l4proto . th dport map @published_any`,
    `add rule ${inet} forward ct state established,related accept`,
    `add rule ${inet} forward oifname vmap @into`,
    `add rule ${inet} forward iifname vmap @from`,
    // From the host's loopback to a published port: the container has to answer to the bridge.
    `add rule ${inet} postrouting oifname @bridges ip saddr 127.0.0.0/8 masquerade`,

    ...bridged.flatMap((network) => [...chains(table, network), ...bridgeElements(table, network)]),
    // With its elements at once: nft 1.0.6 cannot add any to an interval map that is new in the same transaction.
    `add map ${inet} nat { type ipv4_addr : verdict; flags interval; ${initial(bridged.flatMap(natElements))}}`,
    `add rule ${inet} postrouting ip saddr vmap @nat`,
    renderPorts(table, 'add', ports),
  ]
    .filter((line) => line !== '')
    .join('\n');
}

/** What a new network adds. Empty for drivers without a bridge. */
export function renderNetwork(table: string, network: NetworkRecord): string {
  if (!isBridged(network)) return '';
  return [
    ...chains(table, network),
    ...bridgeElements(table, network),
    ...natElements(network).map((element) => `add element inet ${table} nat { ${element} }`),
  ].join('\n');
}

/** Takes away exactly what {@link renderNetwork} added. */
export function renderNetworkRemoval(table: string, network: NetworkRecord): string {
  if (!isBridged(network)) return '';
  const { link } = network;
  const inet = `inet ${table}`;
  const chainNames = Object.values(chainsOf(network));
  return [
    `delete element ${inet} bridges { "${link}" }`,
    `delete element ${inet} into { "${link}" }`,
    `delete element ${inet} from { "${link}" }`,
    ...subnetsOf(network).map((subnet) => `delete element ${inet} nat { ${subnet} }`),
    ...chainNames.map((chain) => `delete chain ${inet} ${chain}`),
  ].join('\n');
}

/** Adds or deletes the elements of published ports, all in one command a map. Empty for no ports. */
export function renderPorts(
  table: string,
  command: 'add' | 'delete',
  ports: readonly PublishedPort[],
): string {
  const element = (port: PublishedPort): string => {
    const key = isAny(port)
      ? `${port.protocol} . ${port.hostPort}`
      : `${port.protocol} . ${port.hostIp} . ${port.hostPort}`;
    return command === 'add' ? `${key} : ${port.address} . ${port.containerPort}` : key;
  };
  const change = (map: string, some: readonly PublishedPort[]): string[] =>
    some.length === 0 ? [] : [`${command} element inet ${table} ${map} { ${some.map(element).join(', ')} }`];
  return [
    ...change(
      'published',
      ports.filter((port) => !isAny(port)),
    ),
    ...change('published_any', ports.filter(isAny)),
  ].join('\n');
}

const isAny = (port: PublishedPort): boolean => port.hostIp === '0.0.0.0';

type BridgedNetwork = NetworkRecord & { link: string };

const isBridged = (network: NetworkRecord): network is BridgedNetwork =>
  network.driver === 'bridge' && network.link !== undefined;

function chains(table: string, network: BridgedNetwork): string[] {
  const { link, internal } = network;
  const inet = `inet ${table}`;
  const { into, from, nat } = chainsOf(network);
  return [
    `add chain ${inet} ${into}`,
    `add chain ${inet} ${from}`,
    `add chain ${inet} ${nat}`,
    ...(isOptionOn(network, OPTION.icc) ? [`add rule ${inet} ${into} iifname "${link}" accept`] : []),
    ...(internal ? [] : [`add rule ${inet} ${into} ct status dnat accept`]),
    `add rule ${inet} ${into} drop`,
    ...(internal ? [`add rule ${inet} ${from} drop`] : []),
    // A container that comes back to its own bridge through a published port would be answered directly otherwise.
    `add rule ${inet} ${nat} oifname "${link}" ct status dnat masquerade`,
    ...(!internal && isOptionOn(network, OPTION.masquerade)
      ? [`add rule ${inet} ${nat} oifname != "${link}" masquerade`]
      : []),
  ];
}

function bridgeElements(table: string, network: BridgedNetwork): string[] {
  const { link } = network;
  const { into, from } = chainsOf(network);
  return [
    `add element inet ${table} bridges { "${link}" }`,
    `add element inet ${table} into { "${link}" : jump ${into} }`,
    `add element inet ${table} from { "${link}" : jump ${from} }`,
  ];
}

function natElements(network: BridgedNetwork): string[] {
  return subnetsOf(network).map((subnet) => `${subnet} : jump ${chainsOf(network).nat}`);
}

const initial = (elements: string[]): string =>
  elements.length > 0 ? `elements = { ${elements.join(', ')} }; ` : '';

function chainsOf(network: NetworkRecord): { into: string; from: string; nat: string } {
  const short = network.id.slice(0, 12);
  return { into: `to_${short}`, from: `from_${short}`, nat: `nat_${short}` };
}

function subnetsOf(network: NetworkRecord): string[] {
  return network.ipam.config.flatMap(({ subnet }) => {
    const cidr = parseCidr(subnet);
    return cidr ? [formatCidr(cidr)] : [];
  });
}
