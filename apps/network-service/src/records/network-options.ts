import type { Family } from '../ipam/cidr';
import type { NetworkRecord } from './network-record';

/** Driver options of a network that mean something to us. */
export const OPTION = {
  bridgeName: 'com.docker.network.bridge.name',
  icc: 'com.docker.network.bridge.enable_icc',
  masquerade: 'com.docker.network.bridge.enable_ip_masquerade',
  hostBinding: 'com.docker.network.bridge.host_binding_ipv4',
  defaultBridge: 'com.docker.network.bridge.default_bridge',
  inhibitIpv4: 'com.docker.network.bridge.inhibit_ipv4',
  trustedInterfaces: 'com.docker.network.bridge.trusted_host_interfaces',
  gatewayMode4: 'com.docker.network.bridge.gateway_mode_ipv4',
  gatewayMode6: 'com.docker.network.bridge.gateway_mode_ipv6',
  hostAddress4: 'com.docker.network.host_ipv4',
  hostAddress6: 'com.docker.network.host_ipv6',
  enableIpv4: 'com.docker.network.enable_ipv4',
  enableIpv6: 'com.docker.network.enable_ipv6',
  mtu: 'com.docker.network.driver.mtu',
  interfacePrefix: 'com.docker.network.container_iface_prefix',
  parent: 'parent',
  macvlanMode: 'macvlan_mode',
  ipvlanMode: 'ipvlan_mode',
  ipvlanFlag: 'ipvlan_flag',
} as const;

/**
 * How packets cross the edge of a bridge network: with the host's address and published ports (`nat`), the same with all
 * ports open (`nat-unprotected`), with their own address (`routed`), or not at all, and without the host (`isolated`).
 */
export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';

export const GATEWAY_MODES: readonly string[] = ['nat', 'nat-unprotected', 'routed', 'isolated'];

/** As Go reads it: strconv.ParseBool. */
export function parseFlag(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  return undefined;
}

/** `true` unless the option says otherwise. */
export function isOptionOn(network: Pick<NetworkRecord, 'options'>, option: string): boolean {
  const value = network.options[option];
  return value === undefined || parseFlag(value) === true;
}

/** `false` unless the option says otherwise. */
export function isOptionSet(network: Pick<NetworkRecord, 'options'>, option: string): boolean {
  return parseFlag(network.options[option] ?? '') === true;
}

export function gatewayMode(network: Pick<NetworkRecord, 'options'>, family: Family): GatewayMode {
  const mode = network.options[family === 4 ? OPTION.gatewayMode4 : OPTION.gatewayMode6];
  return (mode || 'nat') as GatewayMode;
}

/** Bytes. */
export function mtuOf(network: Pick<NetworkRecord, 'options'>): number | undefined {
  const mtu = Number(network.options[OPTION.mtu] ?? 0);
  return mtu > 0 ? mtu : undefined;
}

type Shape = Pick<NetworkRecord, 'driver' | 'internal' | 'options'>;

/** Packets to everywhere leave by the interface itself, without a gateway. */
export function routesByLink({ driver, options }: Shape): boolean {
  return driver === 'ipvlan' && ['l3', 'l3s'].includes(options[OPTION.ipvlanMode] ?? '');
}

/** Without a parent, macvlan and ipvlan connect containers with each other only. */
export function isParentless({ driver, options }: Shape): boolean {
  return (driver === 'macvlan' || driver === 'ipvlan') && !options[OPTION.parent];
}

/** Containers have no default route into it. */
export function isClosed(network: Shape): boolean {
  return network.internal || isParentless(network);
}

/** Whether a subnet of the network has an address set apart for a gateway. */
export function needsGateway(network: Shape, family: Family): boolean {
  if (network.driver === 'bridge') {
    const isBridgeBare = family === 4 && network.internal && isOptionSet(network, OPTION.inhibitIpv4);
    return gatewayMode(network, family) !== 'isolated' && !isBridgeBare;
  }
  return !isClosed(network) && !routesByLink(network);
}
