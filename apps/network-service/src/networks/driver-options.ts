import { isIP, isIPv4, isIPv6 } from 'node:net';
import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import type { NetworkDriver } from '../records/network-record';
import { GATEWAY_MODES, OPTION, parseFlag } from '../records/network-options';

/** Says what is wrong with the value of an option, as Go's parsers say it; undefined when nothing is. */
type Complaint = (value: string) => string | undefined;

const flag: Complaint = (value) =>
  parseFlag(value) === undefined ? `strconv.ParseBool: parsing "${value}": invalid syntax` : undefined;
const number: Complaint = (value) =>
  /^[+-]?\d+$/.test(value) ? undefined : `strconv.Atoi: parsing "${value}": invalid syntax`;
const address =
  (isValid: (text: string) => boolean): Complaint =>
  (value) =>
    isValid(value) ? undefined : 'nil ip';
const gatewayMode: Complaint = (value) =>
  GATEWAY_MODES.includes(value) ? undefined : `unknown gateway mode ${value}`;

const BRIDGE_OPTIONS: Record<string, Complaint> = {
  [OPTION.icc]: flag,
  [OPTION.masquerade]: flag,
  [OPTION.inhibitIpv4]: flag,
  [OPTION.defaultBridge]: flag,
  [OPTION.enableIpv4]: flag,
  [OPTION.enableIpv6]: flag,
  [OPTION.mtu]: number,
  [OPTION.hostBinding]: address((text) => isIP(text) !== 0),
  [OPTION.hostAddress4]: address(isIPv4),
  [OPTION.hostAddress6]: address(isIPv6),
  [OPTION.gatewayMode4]: gatewayMode,
  [OPTION.gatewayMode6]: gatewayMode,
};

const KNOWN_OPTIONS = new Set<string>(Object.values(OPTION));
const LINK_NAME = /^[^\s/:]{1,15}$/;
const MAX_MTU = 65_535;

/** @throws InvalidArgument in dockerd's words, NotImplemented for a `com.docker.network.*` option that does nothing here. */
export function checkDriverOptions(
  driver: NetworkDriver,
  options: Record<string, string>,
  internal: boolean,
): void {
  for (const [key, value] of Object.entries(options)) {
    if (key.startsWith('com.docker.network.') && !KNOWN_OPTIONS.has(key)) {
      throw notImplemented(`the network option ${key} is not supported yet`);
    }
    const complaint = BRIDGE_OPTIONS[key]?.(value);
    if (complaint) throw invalidArgument(`failed to parse ${key} value: ${value} (${complaint})`);
  }
  const mtu = Number(options[OPTION.mtu] ?? 0);
  if (mtu < 0 || mtu > MAX_MTU) throw invalidArgument(`invalid MTU number: ${mtu}`);
  if (driver === 'bridge') checkBridge(options, internal);
  if (driver === 'macvlan') {
    checkChoice(driver, 'mode', options[OPTION.macvlanMode], ['bridge', 'private', 'vepa', 'passthru']);
  }
  if (driver === 'ipvlan') {
    checkChoice(driver, 'mode', options[OPTION.ipvlanMode], ['l2', 'l3', 'l3s']);
    checkChoice(driver, 'flag', options[OPTION.ipvlanFlag], ['bridge', 'private', 'vepa']);
  }
  if (driver !== 'bridge' && options[OPTION.parent] === 'lo') {
    throw invalidArgument(`loopback interface is not a valid ${driver} parent link`);
  }
}

function checkBridge(options: Record<string, string>, internal: boolean): void {
  const name = options[OPTION.bridgeName];
  if (name !== undefined && (!LINK_NAME.test(name) || name === '.' || name === '..')) {
    throw invalidArgument(`invalid bridge name: "${name}"`);
  }
  for (const trusted of trustedInterfaces(options)) {
    if (!LINK_NAME.test(trusted)) throw invalidArgument(`invalid interface name: "${trusted}"`);
  }
  const modes = [options[OPTION.gatewayMode4], options[OPTION.gatewayMode6]];
  if (modes.includes('isolated') && !internal) {
    throw invalidArgument("gateway mode 'isolated' can only be used for an internal network");
  }
}

/** Host interfaces by which packets may come to the containers directly. */
export function trustedInterfaces(options: Record<string, string>): string[] {
  return (options[OPTION.trustedInterfaces] ?? '').split(':').filter((name) => name !== '');
}

function checkChoice(driver: string, what: string, value: string | undefined, choices: string[]): void {
  if (value === undefined || value === '' || choices.includes(value)) return;
  const ending = what === 'mode' ? 'mode is the' : 'is the';
  throw invalidArgument(
    `requested ${driver} ${what} '${value}' is not valid, '${choices[0]}' ${ending} ${driver} driver default`,
  );
}
