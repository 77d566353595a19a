// What dockerd calls its settings, and what they are called here.

/**
 * One key of a `daemon.json`.
 * @typedef {object} Directive
 * @property {string} type of its value, as Go calls it
 * @property {(value: any) => boolean} accepts whether a value is of that type
 * @property {string} [variable] the setting of Gantry that it is; undefined: Gantry has no such setting
 * @property {(value: any, document: Record<string, any>) => string} [write] the value as the variable has it
 * @property {unknown[]} [always] without a variable: the values that are what Gantry does anyway
 */

const TYPES = {
  string: (value) => typeof value === 'string',
  bool: (value) => typeof value === 'boolean',
  int: Number.isInteger,
  '[]string': (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  'map[string]string': (value) => isObject(value) && Object.values(value).every(TYPES.string),
  'map[string]bool': (value) => isObject(value) && Object.values(value).every(TYPES.bool),
  'map[string]*container.Ulimit': (value) =>
    isObject(value) &&
    Object.values(value).every((limit) => isObject(limit) && TYPES.int(limit.Soft) && TYPES.int(limit.Hard)),
  '[]*ipamutils.NetworkToSplit': (value) =>
    Array.isArray(value) &&
    value.every((pool) => isObject(pool) && TYPES.string(pool.base) && TYPES.int(pool.size)),
};

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const ofType = (type) => ({ type, accepts: TYPES[type] });

/** @returns {Directive} */
const setting = (type, variable, write = WRITERS[type] ?? String) => ({ ...ofType(type), variable, write });
/** @returns {Directive} */
const always = (type, ...values) => ({ ...ofType(type), always: values });
/** @returns {Directive} Any value is refused, so no type is asked for. */
const notBuilt = { type: 'any', accepts: () => true, always: [] };

/** A list whose items have commas is JSON. */
const list = (items) => (items.some((item) => item.includes(',')) ? JSON.stringify(items) : items.join(','));
const WRITERS = {
  bool: (value) => (value ? '1' : '0'),
  '[]string': list,
  'map[string]string': JSON.stringify,
};

const pools = (all) => all.map(({ base, size }) => `base=${base},size=${size}`).join(' ');
const ulimits = (all) =>
  Object.entries(all)
    .map(([key, { Name = key, Soft, Hard }]) => `${Name}=${Soft}:${Hard}`)
    .join(',');
const logLevel = (_value, { debug, 'log-level': level }) => (debug ? 'debug' : (level ?? 'info'));
const verify = (_value, { tlsverify = false }) => WRITERS.bool(tlsverify);
const bridgeIpv6 = (_value, { ipv6 = false, 'fixed-cidr-v6': subnet }) =>
  (ipv6 && subnet) || WRITERS.bool(ipv6);

/** @type {Record<string, Directive>} */
export const DIRECTIVES = {
  'data-root': setting('string', 'GANTRY_DATA_ROOT'),
  'exec-root': setting('string', 'GANTRY_RUN_DIR'),
  hosts: setting('[]string', 'GANTRY_HOSTS'),
  group: setting('string', 'GANTRY_SOCKET_GROUP'),
  tls: setting('bool', 'GANTRY_TLS_VERIFY', verify),
  tlsverify: setting('bool', 'GANTRY_TLS_VERIFY', verify),
  tlscacert: setting('string', 'GANTRY_TLS_CACERT'),
  tlscert: setting('string', 'GANTRY_TLS_CERT'),
  tlskey: setting('string', 'GANTRY_TLS_KEY'),
  debug: setting('bool', 'GANTRY_LOG_LEVEL', logLevel),
  'log-level': setting('string', 'GANTRY_LOG_LEVEL', logLevel),
  experimental: setting('bool', 'GANTRY_EXPERIMENTAL'),
  'insecure-registries': setting('[]string', 'GANTRY_INSECURE_REGISTRIES'),
  'registry-mirrors': setting('[]string', 'GANTRY_REGISTRY_MIRRORS'),
  'max-concurrent-downloads': setting('int', 'GANTRY_MAX_DOWNLOADS'),
  'max-concurrent-uploads': setting('int', 'GANTRY_MAX_UPLOADS'),
  'userns-remap': setting('string', 'GANTRY_USERNS_REMAP'),
  'default-address-pools': setting('[]*ipamutils.NetworkToSplit', 'GANTRY_DEFAULT_ADDRESS_POOLS', pools),
  ipv6: setting('bool', 'GANTRY_BRIDGE_IPV6', bridgeIpv6),
  'fixed-cidr-v6': setting('string', 'GANTRY_BRIDGE_IPV6', bridgeIpv6),
  bip: setting('string', 'GANTRY_BIP'),
  'fixed-cidr': setting('string', 'GANTRY_FIXED_CIDR'),
  mtu: setting('int', 'GANTRY_MTU'),
  icc: setting('bool', 'GANTRY_ICC'),
  ip: setting('string', 'GANTRY_IP'),
  dns: setting('[]string', 'GANTRY_DNS'),
  'dns-search': setting('[]string', 'GANTRY_DNS_SEARCH'),
  'dns-opts': setting('[]string', 'GANTRY_DNS_OPTS'),
  'log-driver': setting('string', 'GANTRY_LOG_DRIVER'),
  'log-opts': setting('map[string]string', 'GANTRY_LOG_OPTS'),
  'default-ulimits': setting('map[string]*container.Ulimit', 'GANTRY_DEFAULT_ULIMITS', ulimits),
  'default-shm-size': setting('string', 'GANTRY_DEFAULT_SHM_SIZE'),
  'default-cgroupns-mode': setting('string', 'GANTRY_DEFAULT_CGROUPNS_MODE'),
  'default-ipc-mode': setting('string', 'GANTRY_DEFAULT_IPC_MODE'),
  init: setting('bool', 'GANTRY_INIT'),
  'no-new-privileges': setting('bool', 'GANTRY_NO_NEW_PRIVILEGES'),
  labels: setting('[]string', 'GANTRY_LABELS'),
  'cdi-spec-dirs': setting('[]string', 'GANTRY_CDI_DIRS'),
  'exec-opts': setting('[]string', 'GANTRY_CGROUP_DRIVER', (options) =>
    options.map((option) => option.replace(/^native\.cgroupdriver=/, '')).join(','),
  ),

  'live-restore': always('bool', true),
  iptables: always('bool', true),
  ip6tables: always('bool', true),
  'ip-forward': always('bool', true),
  'ip-masq': always('bool', true),
  'firewall-backend': always('string', 'nftables', ''),
  // No process a port either way; what nftables cannot lead to a container is carried by the network service.
  'userland-proxy': always('bool', true, false),
  'storage-driver': always('string', 'overlay2', ''),
  'log-format': always('string', 'json'),
  'selinux-enabled': always('bool', false),
  rootless: always('bool', false),
  'raw-logs': always('bool', false),
  'seccomp-profile': always('string', 'builtin', ''),
  'cri-containerd': always('bool', false),

  ...Object.fromEntries(
    (
      'allow-direct-routing apparmor-profile authorization-plugins bip6 bridge bridge-accept-fwmark builder ' +
      'cgroup-parent containerd containerd-namespace containerd-plugin-namespace cpu-rt-period ' +
      'cpu-rt-runtime default-gateway default-gateway-v6 default-network-opts default-runtime ' +
      'default-stop-timeout features host-gateway-ip host-gateway-ips http-proxy https-proxy init-path ' +
      'ip-forward-no-drop max-download-attempts metrics-addr min-api-version network-control-plane-mtu ' +
      'network-diagnostic-port no-proxy node-generic-resources nri-opts pidfile proxies runtimes ' +
      'shutdown-timeout storage-opts swarm-default-advertise-addr swarm-raft-election-tick ' +
      'swarm-raft-heartbeat-tick userland-proxy-path'
    )
      .split(' ')
      .map((name) => [name, notBuilt]),
  ),
};
