import { forbidden, invalidArgument, notFound } from '@gantry/shared/errors';
import { isPredefined, type NetworkDriver, type NetworkRecord } from '../records/network-record';
import { OPTION, parseFlag } from '../records/network-options';
import { checkDriverOptions } from './driver-options';
import { type IpamConfig, parseSubnets } from './ipam-config';

/** API: NetworkCreateRequest. */
export interface NetworkCreateConfig {
  Name?: string;
  Driver?: string;
  Scope?: string;
  Internal?: boolean;
  Attachable?: boolean;
  Ingress?: boolean;
  ConfigOnly?: boolean;
  ConfigFrom?: { Network?: string } | null;
  IPAM?: IpamConfig | null;
  EnableIPv4?: boolean | null;
  EnableIPv6?: boolean | null;
  Options?: Record<string, string> | null;
  Labels?: Record<string, string> | null;
}

/** A network that still lacks its id, and its subnets where the user gave none. */
export type NetworkDraft = Omit<NetworkRecord, 'id' | 'created'>;

const DRIVERS: Record<string, NetworkDriver> = {
  bridge: 'bridge',
  host: 'host',
  null: 'null',
  macvlan: 'macvlan',
  ipvlan: 'ipvlan',
};

/**
 * @param templateOf the config-only network of a name
 * @throws EngineErrors in dockerd's words for what is wrong, and NotImplemented for what is not built
 */
export function parseNetworkConfig(
  given: NetworkCreateConfig,
  templateOf: (name: string) => NetworkRecord | undefined = () => undefined,
): NetworkDraft {
  const name = given.Name ?? '';
  if (name.trim() === '') throw invalidArgument('invalid name: name is empty');
  if (isPredefined(name) || name === 'default')
    throw forbidden(`operation is not permitted on predefined ${name} network `);
  checkConfigOnly(given);
  // A config-only network is shown with the driver `null`, as dockerd does, and checked as what it will be used for.
  const driver = parseDriver(given);
  const { config, configFrom } = withTemplate(given, templateOf);
  checkIpamDriver(config.IPAM?.Driver);
  const options = { ...config.Options };
  const ipv4 = enabled(config.EnableIPv4, options, OPTION.enableIpv4, true);
  const ipv6 = enabled(config.EnableIPv6, options, OPTION.enableIpv6, false);
  if (!ipv4 && !ipv6) throw invalidArgument('IPv4 or IPv6 must be enabled');
  const internal = config.Internal ?? false;
  checkDriverOptions(driver, options, internal);
  const subnets = parseSubnets(config.IPAM?.Config ?? [], { driver, internal, options }, { ipv4, ipv6 });
  return {
    name,
    driver: given.ConfigOnly ? 'null' : driver,
    ipv4,
    ipv6,
    internal,
    attachable: config.Attachable ?? false,
    configOnly: given.ConfigOnly ?? false,
    configFrom,
    labels: { ...config.Labels },
    options,
    ipam: {
      driver: config.IPAM?.Driver || 'default',
      options: { ...config.IPAM?.Options },
      config: subnets,
    },
    ...(driver === 'bridge' && options[OPTION.bridgeName] && { link: options[OPTION.bridgeName] }),
    ...(driver !== 'bridge' && options[OPTION.parent] && { link: options[OPTION.parent] }),
  };
}

function parseDriver(config: NetworkCreateConfig): NetworkDriver {
  const name = config.Driver || 'bridge';
  const isLocal = ['', 'local', 'swarm'].includes(config.Scope ?? '');
  if (name === 'overlay' || !isLocal) {
    throw forbidden(
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  }
  const driver = DRIVERS[name];
  if (!driver) throw notFound(`plugin "${name}" not found`);
  if (config.Ingress) throw forbidden('Ingress network can only be global scope network');
  if (config.Scope === 'swarm') {
    throw forbidden('cannot create a swarm scoped network when swarm is not active');
  }
  if (driver === 'host' || driver === 'null') {
    throw forbidden(`only one instance of "${driver}" network is allowed`);
  }
  return driver;
}

function checkConfigOnly(config: NetworkCreateConfig): void {
  if (!config.ConfigOnly) return;
  if (config.Internal || config.Attachable || config.Ingress || config.Scope) {
    throw forbidden(
      'configuration network can only contain network specific fields. ' +
        'Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    );
  }
  if (config.ConfigFrom?.Network) {
    throw forbidden('a configuration network cannot depend on another configuration network');
  }
}

/** What the config-only network that `ConfigFrom` names has decided, and the operator's part of the request. */
function withTemplate(
  config: NetworkCreateConfig,
  templateOf: (name: string) => NetworkRecord | undefined,
): { config: NetworkCreateConfig; configFrom: string } {
  const configFrom = config.ConfigFrom?.Network ?? '';
  if (configFrom === '') return { config, configFrom };
  if (Object.keys(config.Options ?? {}).length > 0) {
    throw forbidden(
      'network driver options are not supported if the network depends on a configuration network',
    );
  }
  const { IPAM } = config;
  const hasOwn =
    config.EnableIPv6 || (IPAM?.Config ?? []).length > 0 || Object.keys(IPAM?.Options ?? {}).length > 0;
  if (hasOwn || Object.keys(config.Labels ?? {}).length > 0) {
    throw forbidden(
      'user specified configurations are not supported if the network depends on a configuration network',
    );
  }
  const template = templateOf(configFrom);
  if (!template) throw notFound(`configuration network "${configFrom}" does not exist`);
  return {
    configFrom,
    config: {
      ...config,
      EnableIPv4: template.ipv4,
      EnableIPv6: template.ipv6,
      Options: template.options,
      Labels: template.labels,
      IPAM: {
        Driver: template.ipam.driver,
        Options: template.ipam.options,
        Config: template.ipam.config.map(({ subnet, gateway, ipRange, auxiliaryAddresses }) => ({
          Subnet: subnet,
          Gateway: gateway,
          IPRange: ipRange,
          AuxiliaryAddresses: auxiliaryAddresses,
        })),
      },
    },
  };
}

function checkIpamDriver(driver = ''): void {
  if (driver === 'null') throw invalidArgument('ipv4 pool is empty');
  if (driver !== '' && driver !== 'default') throw notFound(`plugin "${driver}" not found`);
}

/** The field of the request, else the driver option that says the same. */
function enabled(
  field: boolean | null | undefined,
  options: Record<string, string>,
  option: string,
  byDefault: boolean,
): boolean {
  const text = options[option];
  if (field !== undefined && field !== null) return field;
  if (text === undefined) return byDefault;
  const flag = parseFlag(text);
  if (flag === undefined) throw invalidArgument(`driver-opt "${option}" is not a valid bool`);
  return flag;
}
